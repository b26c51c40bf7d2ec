/**
 * The policy-gradient loop: roll out groups of completions, reward them, compare each with its group, update the model.
 * What else a method needs (old policies, a reference, a decoding trace, branches) is its own affair: it is shown the
 * rollouts before the first update on them, and asked for the batches of each. What is left out against a textbook loop:
 * no value model, and no division of advantages by their standard deviation. Rollouts are written by the present policy
 * (staleness 0) unless the method has them written by another.
 */
import type { DecodingOptions } from '../diffusion/denoise.ts';
import { defaultDecoding, givenTokens, readCompletion, suffixOf } from '../evaluation/answers.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { maskToken } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import type { Evaluation } from '../protocol/events.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { hasReward } from '../tasks/grading.ts';
import type { NoReward, PromptFormat, Reward, Task } from '../tasks/task.ts';
import { rowsThatFit } from '../training/memory.ts';
import { optimizerOf } from '../training/optimizer-settings.ts';
import { type StepResult, Trainer } from '../training/trainer.ts';
import type { TrainedStep, TrainingMethod } from '../training/training-job.ts';
import { groupAdvantages } from './advantages.ts';
import { BoundEstimator } from './bounds.ts';
import type { Objective, ScoredRollout } from './objectives/objective.ts';
import { type Rollout, type RolloutJob, rewardRollouts, rollOut, rollOutAndEarn } from './rollouts.ts';
import type { FullTuningSettings, TuningSettings } from './settings.ts';

/** Waves in which a step's rollouts are written where rewards take time: each is judged beside the next. */
const wavesPerStep = 4;

export interface PolicyGradient {
  readonly model: LanguageModel;
  readonly task: Task;
  readonly objective: Objective;
  readonly settings: FullTuningSettings;
  readonly seed: number;
  /** Steps of the whole run, for a learning rate that falls; null where a time limit ends it. */
  readonly steps: number | null;
  /** Problems that training may see. */
  readonly problem: (random: Random) => unknown;
  /** Held-out problems for the evaluations in between. */
  readonly validation: readonly unknown[];
  /** What the method carried when the checkpoint was written from which the run goes on. */
  readonly restored?: ReadonlyMap<string, HostTensor>;
}

export function policyGradient({
  model,
  task,
  objective,
  settings: given,
  seed,
  steps,
  problem,
  validation,
  restored = new Map(),
}: PolicyGradient): TrainingMethod {
  const format = model.generation.prompt_format;
  const { decoding, settings: wished } = resolveSettings(model, task, given, format);
  const seen = [
    ...validation.slice(0, 32),
    ...Array.from({ length: 32 }, (_, n) => problem(new Random(seed, 'size', n))),
  ];
  const settings = { ...wished, micro_batch: fittingMicroBatch(model, task, seen, wished) };
  const reward = given.reward ?? task.rewards[0];
  const updates = (steps ?? 1) * settings.inner_updates;
  const trainer = new Trainer(model, objective.loss, optimizerOf(settings, model.trained.keys(), updates));
  const bounds = new BoundEstimator(model);
  const { pad_token_id: pad } = model.config;
  const mask = maskToken(model.config);
  const method = objective.begin({
    model,
    settings,
    tokens: { mask, pad },
    evaluate: async (batch) => (await trainer.evaluate(batch)).metrics,
    reward: async (asked) => {
      const written = asked.map(({ job, completion }) => ({ job, ...readCompletion(model, { tokens: completion }) }));
      const rewards = await rewardRollouts(task, written, reward, format);
      return rewards.map((earned) => {
        // Unlike a completion, a branch that is left out would change what is estimated.
        if (!hasReward(earned)) throw new UserError(`A branch could not be rewarded: ${earned.broken}`);
        return earned.total;
      });
    },
    solution: ({ row }) => task.solution(row, format),
    restartOptimizer: () => trainer.restart(),
    restored,
  });

  async function step(step: number): Promise<TrainedStep> {
    const clock = stopwatch();
    const jobs = rolloutJobs(step);
    const before = model.work.tokens;
    const { rollouts, rewards: rewardsOf } = await rollOutAndEarn({
      jobs,
      // What is known at once is worth no smaller batches.
      wave: task.inBatches ? settings.group_size * Math.ceil(settings.prompts_per_step / wavesPerStep) : jobs.length,
      write: async (wave) => method.rollOut?.(wave, step) ?? rollOut(model, wave),
      earn: (written) => rewardRollouts(task, written, reward, format),
    });
    const rolloutTokens = model.work.tokens - before;
    clock('time/rollout');
    const rewards = await rewardsOf();
    clock('time/reward');
    const groups = groupAdvantages(
      rewards.map((earned) => (hasReward(earned) ? earned.total : null)),
      settings.group_size,
    );
    // What could not be rewarded teaches nothing.
    const completions = rollouts.flatMap((rollout, index): ScoredRollout[] => {
      const earned = rewards[index] as Reward | NoReward;
      if (!hasReward(earned)) return [];
      const { prompt, suffix, tokens: completion, length } = rollout;
      const advantage = groups.advantages[index] as number;
      const group = Math.floor(index / settings.group_size);
      return [
        { rollout, prompt, ...(suffix ? { suffix } : {}), completion, length, advantage, reward: earned.total, group },
      ];
    });
    const { metrics, tokens } = await update(step, completions);
    clock('time/update');
    return {
      metrics: {
        ...rewardMetrics(rewards),
        reward_std: groups.meanStd,
        frac_reward_zero_std: groups.zeroStdShare,
        ...lengthMetrics(rollouts),
        ...metrics,
        forwards_per_rollout: rollouts.reduce((sum, { forwards }) => sum + forwards, 0) / rollouts.length,
        ...clock.times,
      },
      samples: rollouts.map((rollout, index) =>
        sampleRecord(rollout, rewards[index] as Reward | NoReward, groups.advantages[index] as number),
      ),
      tokens: rolloutTokens + tokens,
    };
  }

  /** A group of jobs for each problem; problems and seeds follow from the run's seed and the step alone. */
  function rolloutJobs(step: number): RolloutJob[] {
    return Array.from({ length: settings.prompts_per_step }, (_, index) => {
      const random = new Random(seed, 'problem', step, index);
      const row = problem(random);
      const prompt = task.prompt(row, format);
      const suffix = suffixOf(model, task, row, format);
      return Array.from({ length: settings.group_size }, () => ({
        task: task.name,
        row,
        prompt,
        ...(suffix === '' ? {} : { suffix }),
        policyVersion: (step - 1) * settings.inner_updates,
        seed: random.integer(2 ** 31),
        decoding,
      }));
    }).flat();
  }

  /** The inner updates on one set of rollouts, each with fresh masks; their metrics averaged. */
  async function update(step: number, completions: readonly ScoredRollout[]) {
    const random = (name: string | number, ...path: readonly (string | number)[]) =>
      new Random(seed, name, step, ...path);
    const round = await method.prepare({ step, completions, random });
    const results: { metrics: Record<string, number>; tokens: number }[] = [];
    for (let inner = 0; inner < settings.inner_updates; inner++) {
      const { batches, metrics } = await round.update(inner);
      if (batches.length === 0) break;
      const result = await trainer.step(batches);
      const tokens = batches.reduce((sum, { tokens }) => sum + tokens.data.length, 0);
      results.push({ metrics: { ...updateMetrics(result), ...metrics(result) }, tokens });
    }
    return {
      metrics: meanOf(results.map(({ metrics }) => metrics)),
      tokens: results.reduce((sum, { tokens }) => sum + tokens, 0),
    };
  }

  async function evaluateValidation(checkCancelled?: () => void): Promise<Evaluation> {
    const result = await evaluate(model, task, validation, {
      format,
      decoding: defaultDecoding(model, task, format),
      samples: 1,
      seed: 0,
      ...(checkCancelled ? { checkCancelled } : {}),
    });
    const completions = result.answers.map(({ promptTokens, suffixTokens, denoised, length }) => ({
      prompt: promptTokens,
      suffix: suffixTokens,
      completion: denoised.tokens,
      length,
      advantage: 0,
    }));
    const gap = await bounds.gap(completions, { beta: settings.beta, samples: 4, seed });
    return {
      task: task.name,
      split: 'validation',
      n: result.n,
      metrics: result.metrics,
      measures: { eubo_elbo_gap: gap, forwards_per_answer: result.forwardsPerAnswer },
      seconds: result.seconds,
    };
  }

  return {
    step,
    evaluate: evaluateValidation,
    bestBy: task.metrics[0],
    state: async () => (await method.state?.()) ?? new Map(),
    async dispose() {
      await trainer.dispose();
      await bounds.dispose();
      await method.dispose?.();
    },
  };
}

/** Fills in what settings leave to the model and the task. */
export function resolveSettings(
  model: Pick<LanguageModel, 'generation'>,
  task: Task,
  given: FullTuningSettings,
  format: PromptFormat,
): { decoding: DecodingOptions; settings: TuningSettings } {
  const defaults = defaultDecoding(model, task, format);
  const length = given.length ?? defaults.length;
  const block = Math.min(given.block ?? defaults.block, length);
  const steps = given.decoding_steps ?? Math.ceil(length / model.generation.tokens_per_step);
  const { order, threshold, temperature } = given;
  return { decoding: { order, threshold, temperature, length, block, steps }, settings: { ...given, length, block } };
}

/** Completions of a pass: as many as are wished, fewer where problems like these would not fit into memory. */
function fittingMicroBatch(
  model: LanguageModel,
  task: Task,
  problems: readonly unknown[],
  { micro_batch: wished, mask_samples: samples, length: answer }: TuningSettings,
): number {
  const format = model.generation.prompt_format;
  const longest = Math.max(0, ...problems.map((row) => givenTokens(model, task, row, format)));
  const rows = rowsThatFit(model.config, { length: longest + answer, answer });
  return Math.min(wished, Math.max(1, Math.floor(rows / samples)));
}

function sampleRecord(rollout: Rollout, reward: Reward | NoReward, advantage: number): SampleRecord {
  const earned = hasReward(reward) ? rewardRecord(reward) : { rewards: {}, report: reward };
  return {
    prompt: rollout.job.prompt,
    completion: rollout.completion,
    ...earned,
    advantage,
    policyVersion: rollout.job.policyVersion,
    seed: rollout.job.seed,
    tokens: [...rollout.tokens],
    revealedAt: [...rollout.revealedAt],
    confidence: [...rollout.confidence].map((p) => Number(p.toFixed(4))),
  };
}

function rewardRecord({ total, parts, report }: Reward): Pick<SampleRecord, 'rewards' | 'report'> {
  return { rewards: { ...parts, total }, ...(report === undefined ? {} : { report }) };
}

/** Means over the completions that have a reward; those that have none are counted where there are any. */
function rewardMetrics(all: readonly (Reward | NoReward)[]): Record<string, number> {
  const rewards = all.filter(hasReward);
  const broken = all.find((earned): earned is NoReward => !hasReward(earned));
  if (broken && rewards.length === 0)
    throw new UserError(
      `No completion of this step could be rewarded: ${broken.broken}; mend that and resume the run.`,
    );
  const metrics: Record<string, number> = { reward: mean(rewards.map(({ total }) => total)) };
  if (broken) metrics['rewards/dropped'] = all.length - rewards.length;
  for (const part of Object.keys(rewards[0]!.parts))
    metrics[`rewards/${part}/mean`] = mean(rewards.map(({ parts }) => parts[part] ?? 0));
  return metrics;
}

function lengthMetrics(rollouts: readonly Rollout[]): Record<string, number> {
  const lengths = rollouts.map(({ length }) => length);
  return {
    'completions/mean_length': mean(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
  };
}

function updateMetrics({ loss, gradNorm, learningRate }: StepResult): Record<string, number> {
  return { loss, grad_norm: gradNorm, learning_rate: learningRate };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** The mean of each metric over the records that have it. */
function meanOf(records: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = new Set(records.flatMap((record) => Object.keys(record)));
  return Object.fromEntries([...names].map((name) => [name, mean(records.flatMap((record) => record[name] ?? []))]));
}

/** Seconds since the last call, under the name it is called with. */
function stopwatch() {
  const times: Record<string, number> = {};
  let last = performance.now();
  const lap = (name: string) => {
    const now = performance.now();
    times[name] = (now - last) / 1000;
    last = now;
  };
  return Object.assign(lap, { times });
}
