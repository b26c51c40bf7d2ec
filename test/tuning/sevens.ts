import type { Checkpoint } from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { perCompletion } from '../../src/tasks/scorer.ts';
import type { Task } from '../../src/tasks/task.ts';
import { trainingState } from '../../src/training/trainer.ts';
import type { Objective } from '../../src/tuning/objectives/objective.ts';
import { objectiveByName } from '../../src/tuning/objectives/registry.ts';
import { policyGradient } from '../../src/tuning/policy-gradient.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { adapted } from '../model/tiny-adapter.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const share = (completion: string) => [...completion].filter((character) => character === '7').length / 4;

/** The reward is the share of sevens in a completion's four characters. `constant` is a reward without a signal. */
export const sevens: Task<{ readonly prompt: string }> = {
  name: 'sevens',
  description: 'Write sevens.',
  metrics: ['share'],
  rewards: ['share', 'constant'],
  completionLength: { tagged: 4, plain: 4 },
  parse: (record) => record as { prompt: string },
  contentKeys: ({ prompt }) => [prompt],
  prompt: ({ prompt }) => prompt,
  solution: () => '7777',
  scorer: perCompletion({
    reward(_, completion, name) {
      const total = name === 'constant' ? 0.3 : share(completion);
      return { total, parts: { [name]: total } };
    },
    grade: (_, completion) => ({
      correct: completion === '7777',
      extracted: completion,
      scores: { share: { value: share(completion), weight: 1 } },
    }),
  }),
};

/** Prompts differ from problem to problem: one to three nines. */
export const sevensBefore: Task<{ readonly prompt: string }> = {
  ...sevens,
  suffix: ({ prompt }) => '9'.repeat(1 + (Number(prompt[0]) % 3)),
};

/** For a model that fills gaps. */
export const fillsGaps: Partial<ModelConfig> = { attention: 'prefix-lm', eom_token_id: 3 };

/** A tiny model to be tuned to write sevens. */
export async function methodOf(
  changes: object = {},
  objective: string | Objective = 'spg-mixture',
  {
    task = sevens,
    config = {},
    adapter = false,
  }: { task?: typeof sevens; config?: Partial<ModelConfig>; adapter?: boolean } = {},
) {
  const plain = tinyCheckpoint({ hidden_size: 16, head_dim: 8, ...config });
  const checkpoint: Checkpoint = adapter ? adapted(plain) : plain;
  const model = await LanguageModel.load(oneThread(), checkpoint, trainingState(plain.config, checkpoint.adapter));
  const method = policyGradient({
    model,
    task: task as Task,
    objective: typeof objective === 'string' ? objectiveByName(objective) : objective,
    settings: tuningSettings.parse({
      prompts_per_step: 4,
      group_size: 6,
      inner_updates: 2,
      learning_rate: 1e-2,
      warmup_steps: 0,
      max_grad_norm: 1,
      ...changes,
    }),
    seed: 5,
    steps: 100,
    problems: { draw: (random) => ({ prompt: `${random.integer(10)}:` }) },
    validation: [{ prompt: '1:' }, { prompt: '2:' }],
  });
  return { model, method, checkpoint };
}
