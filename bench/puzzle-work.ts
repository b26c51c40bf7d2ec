import type { DecodingOptions } from '../src/diffusion/denoise.ts';
import type { OptimizerOptions } from '../src/graph/optimizer.ts';
import { type Checkpoint, readCheckpoint } from '../src/model/checkpoint.ts';
import { maskToken } from '../src/model/config.ts';
import type { ResolvedModel } from '../src/model/resolved-model.ts';
import { Random } from '../src/platform/random.ts';
import { taskByName } from '../src/tasks/registry.ts';
import type { Task } from '../src/tasks/task.ts';
import { optimizerOf } from '../src/training/optimizer-settings.ts';
import type { Batch } from '../src/training/trainer.ts';
import type { ScoredCompletion } from '../src/tuning/objectives/objective.ts';
import { type SpgObjective, spgObjectives } from '../src/tuning/objectives/spg.ts';
import { resolveSettings } from '../src/tuning/resolve-settings.ts';
import type { RolloutJob } from '../src/tuning/rollouts.ts';
import { tuningSettings } from '../src/tuning/settings.ts';
import { startSettings } from '../src/tuning/start-settings.ts';

/** One step of `npm start`: its rollouts, and an update whose size does not depend on the sampled completions. */
export interface PuzzleWork {
  readonly checkpoint: Checkpoint;
  readonly task: Task;
  readonly objective: SpgObjective;
  readonly reward: string;
  readonly decoding: DecodingOptions;
  readonly optimizer: OptimizerOptions;
  readonly jobs: readonly RolloutJob[];
  /** Batches of one update that includes every completion; always the same batches. */
  batches(): readonly Batch[];
}

/** The workload of `npm start` on a model, with all of its settings except the order of unmasking. */
export async function puzzleWork(model: ResolvedModel): Promise<PuzzleWork> {
  const checkpoint = await readCheckpoint(model);
  const task = taskByName(startSettings.sudoku4x4.task);
  const objective = spgObjectives.find(({ name }) => name === startSettings.sudoku4x4.objective) as SpgObjective;
  const format = checkpoint.generation.prompt_format;
  // With a threshold, the number of forward passes would depend on the sampled tokens. Here it is the same for both sides.
  const requested = tuningSettings.parse({ ...startSettings.sudoku4x4.settings, order: 'confidence' });
  const { decoding, settings } = resolveSettings(checkpoint, task, requested, format);
  const random = new Random(0, 'bench problems');
  const jobs = Array.from({ length: settings.prompts_per_step }, () => {
    const row = task.generate!(random, settings.task_options);
    const prompt = task.prompt(row, format);
    return Array.from({ length: settings.group_size }, () => ({
      task: task.name,
      row,
      prompt,
      policyVersion: 0,
      seed: random.integer(2 ** 31),
      decoding,
    }));
  }).flat();
  return {
    checkpoint,
    task,
    objective,
    reward: requested.reward ?? task.rewards[0],
    decoding,
    // With a constant learning rate, the peer needs no schedule to make the same steps.
    optimizer: optimizerOf({ ...settings, warmup_steps: 0, lr_schedule: 'constant' }, [], 1),
    jobs,
    batches() {
      const { pad_token_id: pad } = checkpoint.config;
      const mask = maskToken(checkpoint.config);
      const scored = scoredCompletions(checkpoint, jobs, decoding.length);
      return objective.update(scored, settings, { mask, pad }, new Random(0, 'bench masks')).batches;
    },
  };
}

/** Completions of random tokens for the jobs' prompts. Half of them have a positive advantage, half a negative one. */
function scoredCompletions(
  { config, tokenizer }: Checkpoint,
  jobs: readonly RolloutJob[],
  length: number,
): ScoredCompletion[] {
  const special = new Set(Object.entries(config).flatMap(([name, id]) => (name.endsWith('_token_id') ? [id] : [])));
  const ordinary = Array.from({ length: config.vocab_size }, (_, id) => id).filter((id) => !special.has(id));
  const random = new Random(0, 'bench completions');
  return jobs.map(({ prompt }, index) => ({
    prompt: Int32Array.from(tokenizer.encode(prompt)),
    tokens: Int32Array.from({ length }, () => random.pick(ordinary)),
    length,
    advantage: index % 2 === 0 ? 0.5 : -0.5,
  }));
}
