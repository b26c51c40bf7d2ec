/**
 * The policy-gradient loop: generate groups of completions, score them, compare each with its group, update the model.
 * A method receives the rollouts before the first update on them and makes the batches of each update. It computes
 * anything else it needs itself: old policies, a reference, a decoding trace, branches. Unlike a textbook loop, there is
 * no value model, and advantages are not divided by their standard deviation. The current policy generates the rollouts
 * (staleness 0), unless the method generates them.
 */
import type { DecodingOptions } from '../diffusion/denoise.ts';
import { prefixConstraints } from '../diffusion/token-healing.ts';
import { contextLength, defaultDecoding, readCompletion, suffixOf } from '../evaluation/answers.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { reportAnswers } from '../evaluation/report-answers.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { maskToken } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import type { Evaluation } from '../protocol/events.ts';
import { unwatched, type WorkContext } from '../runs/run-job.ts';
import { isScored } from '../tasks/scorer.ts';
import type { PromptFormat, Reward, ScoringError, Task } from '../tasks/task.ts';
import { rowsThatFit } from '../training/memory.ts';
import { optimizerOf } from '../training/optimizer-settings.ts';
import { Trainer } from '../training/trainer.ts';
import type { TrainedStep, TrainingMethod } from '../training/training-job.ts';
import { type GroupAdvantages, groupAdvantages } from './advantages.ts';
import { BoundEstimator } from './likelihoods/bounds.ts';
import type { Method, MethodRun, Objective, ScoredRollout } from './objectives/objective.ts';
import { generateAndScore, generateRollouts, type Rollout, type RolloutJob, scoreRollouts } from './rollouts.ts';
import type { FullTuningSettings, TuningSettings } from './settings.ts';
import { relativeUpdateCost, StepProgress, type StepTimes } from './step-progress.ts';
import { lengthMetrics, meanOf, rewardMetrics, sampleRecord, scoringWarnings, updateMetrics } from './step-record.ts';

/** Number of chunks of a step's rollouts if rewards run tests: each chunk is scored while the next is generated. */
const chunksPerStep = 4;

export interface PolicyGradient {
  readonly model: LanguageModel;
  readonly task: Task;
  readonly objective: Objective;
  readonly settings: FullTuningSettings;
  readonly seed: number;
  /** Steps of the whole run, for a falling learning rate; null if a time limit ends the run. */
  readonly steps: number | null;
  /** Draws a training problem. */
  readonly problem: (random: Random) => unknown;
  /** Held-out problems for the evaluations between steps. */
  readonly validation: readonly unknown[];
  /** State of the method from the checkpoint that the run resumes from. */
  readonly restored?: ReadonlyMap<string, HostTensor>;
}

/** A training method that `runTrainingJob` runs step by step. */
export const policyGradient = (options: PolicyGradient): TrainingMethod => new PolicyGradientMethod(options);

class PolicyGradientMethod implements TrainingMethod {
  readonly bestBy: string;
  /** Absent if there are no validation problems. */
  readonly evaluate?: NonNullable<TrainingMethod['evaluate']>;
  readonly #options: PolicyGradient;
  readonly #format: PromptFormat;
  readonly #decoding: DecodingOptions;
  readonly #settings: TuningSettings;
  readonly #reward: string;
  readonly #trainer: Trainer;
  readonly #bounds: BoundEstimator;
  readonly #method: Method;
  /** Aborts the current step as long as it has not changed any weight. */
  #abortable: AbortSignal = unwatched.signal;
  /** Times of the previous step. */
  #times: StepTimes | null = null;

  constructor(options: PolicyGradient) {
    const { model, task, objective, settings: requested, seed, steps, problem, validation } = options;
    const format = model.generation.prompt_format;
    const { decoding, settings } = resolveSettings(model, task, requested, format, objective);
    const seen = [
      ...validation.slice(0, 32),
      ...Array.from({ length: 32 }, (_, n) => problem(new Random(seed, 'size', n))),
    ];
    this.bestBy = task.metrics[0];
    this.#options = options;
    this.#format = format;
    this.#decoding = decoding;
    this.#settings = { ...settings, micro_batch: fittingMicroBatch(model, task, seen, settings) };
    this.#reward = requested.reward ?? task.rewards[0];
    const updates = (steps ?? 1) * settings.inner_updates;
    this.#trainer = new Trainer(model, objective.loss, optimizerOf(settings, model.trained.keys(), updates));
    this.#bounds = new BoundEstimator(model);
    this.#method = objective.begin(this.#methodRun());
    if (validation.length > 0) this.evaluate = (context = unwatched) => this.#evaluateValidation(context);
  }

  async step(step: number, context: WorkContext = unwatched): Promise<TrainedStep> {
    const { model, task } = this.#options;
    this.#abortable = context.signal;
    const clock = stopwatch();
    const jobs = this.#rolloutJobs(step);
    const progress = new StepProgress(context.report, {
      completions: jobs.length,
      countsRewards: task.scorer.runsTests,
      updateCost: relativeUpdateCost(this.#settings, this.#decoding),
      previous: this.#times,
    });
    const before = model.work.tokens;
    const { rollouts, rewards: rewardsOf } = await this.#generate(step, jobs, progress);
    const rolloutTokens = model.work.tokens - before;
    clock('time/rollout');
    const rewards = await rewardsOf();
    clock('time/reward');
    const groups = groupAdvantages(
      rewards.map((reward) => (isScored(reward) ? reward.total : null)),
      this.#settings.group_size,
    );
    const { metrics, tokens } = await this.#update(step, this.#scoredRollouts(rollouts, rewards, groups), progress);
    clock('time/update');
    this.#times = clock.times as unknown as StepTimes;
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
        sampleRecord(rollout, rewards[index] as Reward | ScoringError, groups.advantages[index] as number),
      ),
      tokens: rolloutTokens + tokens,
      warnings: scoringWarnings(rewards),
    };
  }

  async #evaluateValidation(context: WorkContext): Promise<Evaluation> {
    const { model, task, validation, seed } = this.#options;
    const result = await evaluate(model, task, validation, {
      format: this.#format,
      decoding: defaultDecoding(model, task, this.#format, this.#settings.infilling),
      samples: 1,
      seed: 0,
      signal: context.signal,
      progress: reportAnswers(context, 'validation'),
    });
    const completions = result.answers.map(({ promptTokens, suffixTokens, healed = '', denoised, length }) => ({
      prompt: promptTokens,
      suffix: suffixTokens,
      constraints: prefixConstraints(denoised.tokens, healed, model.tokenizer, model.config.vocab_size),
      completion: denoised.tokens,
      length,
      advantage: 0,
    }));
    const gap = await this.#bounds.gap(completions, {
      beta: this.#settings.beta,
      samples: 4,
      seed,
      signal: context.signal,
    });
    return {
      task: task.name,
      split: 'validation',
      n: result.n,
      metrics: result.metrics,
      measures: { eubo_elbo_gap: gap, forwards_per_answer: result.forwardsPerAnswer },
      seconds: result.seconds,
    };
  }

  async state(): Promise<ReadonlyMap<string, HostTensor>> {
    return (await this.#method.state?.()) ?? new Map();
  }

  async dispose(): Promise<void> {
    await this.#trainer.dispose();
    await this.#bounds.dispose();
    await this.#method.dispose?.();
  }

  /** The view of the run that the method gets. */
  #methodRun(): MethodRun {
    const { model, task, restored = new Map() } = this.#options;
    const { pad_token_id: pad } = model.config;
    const mask = maskToken(model.config);
    return {
      model,
      settings: this.#settings,
      tokens: { mask, pad },
      evaluate: async (batch) => {
        this.#abortable.throwIfAborted();
        return (await this.#trainer.evaluate(batch)).metrics;
      },
      reward: (completions) => this.#rewardsOf(completions),
      solution: ({ row }) => task.solution(row, this.#format),
      restartOptimizer: () => this.#trainer.restart(),
      restored,
    };
  }

  /** Total rewards of completions that a method generated itself. */
  async #rewardsOf(completions: Parameters<MethodRun['reward']>[0]): Promise<number[]> {
    const { model, task } = this.#options;
    const written = completions.map(({ job, completion }) => ({
      job,
      ...readCompletion(model, { tokens: completion }),
    }));
    const rewards = await scoreRollouts(task, written, this.#reward, this.#format, { signal: this.#abortable });
    return rewards.map((reward) => {
      // A completion may be left out, but without one of its branches the estimate would have another expectation.
      if (!isScored(reward)) throw new UserError(`A branch could not be rewarded: ${reward.broken}`);
      return reward.total;
    });
  }

  /** Generates and scores the rollouts of a step. If rewards run tests, scoring overlaps with generation. */
  #generate(step: number, jobs: readonly RolloutJob[], progress: StepProgress) {
    const { model, task } = this.#options;
    const { group_size: groupSize, prompts_per_step: prompts } = this.#settings;
    const signal = this.#abortable;
    return generateAndScore({
      jobs,
      // Smaller chunks are faster only if tests run while the next chunk is generated.
      chunkSize: task.scorer.runsTests ? groupSize * Math.ceil(prompts / chunksPerStep) : jobs.length,
      signal,
      generate: async (chunk) => {
        const watch = { signal, onStep: (share: number) => progress.generating(chunk.length, share) };
        const rollouts = await (this.#method.rollOut?.(chunk, step, watch) ?? generateRollouts(model, chunk, watch));
        progress.generated(chunk.length);
        return rollouts;
      },
      score: (chunk, stop) => {
        const onProgress = progress.scoring(chunk.length);
        return scoreRollouts(task, chunk, this.#reward, this.#format, { signal: stop, onProgress });
      },
    });
  }

  /** A group of jobs for each problem. Problems and seeds depend only on the run's seed and the step. */
  #rolloutJobs(step: number): RolloutJob[] {
    const { model, task, seed, problem } = this.#options;
    const { prompts_per_step: prompts, group_size: groupSize, inner_updates: updates } = this.#settings;
    return Array.from({ length: prompts }, (_, index) => {
      const random = new Random(seed, 'problem', step, index);
      const row = problem(random);
      const prompt = task.prompt(row, this.#format);
      const suffix = suffixOf(model, task, row, this.#format);
      return Array.from({ length: groupSize }, () => ({
        task: task.name,
        row,
        prompt,
        ...(suffix === '' ? {} : { suffix }),
        policyVersion: (step - 1) * updates,
        seed: random.integer(2 ** 31),
        decoding: this.#decoding,
      }));
    }).flat();
  }

  /** The rollouts that have a reward; the others are not trained on. */
  #scoredRollouts(
    rollouts: readonly Rollout[],
    rewards: readonly (Reward | ScoringError)[],
    { advantages }: GroupAdvantages,
  ): ScoredRollout[] {
    return rollouts.flatMap((rollout, index): ScoredRollout[] => {
      const reward = rewards[index] as Reward | ScoringError;
      if (!isScored(reward)) return [];
      const { prompt, suffix, constraints, tokens: completion, length } = rollout;
      const advantage = advantages[index] as number;
      const group = Math.floor(index / this.#settings.group_size);
      const context = { prompt, ...(suffix ? { suffix } : {}), ...(constraints ? { constraints } : {}) };
      return [{ rollout, ...context, completion, length, advantage, reward: reward.total, group }];
    });
  }

  /** Makes the inner updates on one set of rollouts, each with new masks, and returns their mean metrics. */
  async #update(step: number, completions: readonly ScoredRollout[], progress: StepProgress) {
    const { inner_updates: updates } = this.#settings;
    const random = (name: string | number, ...path: readonly (string | number)[]) =>
      new Random(this.#options.seed, name, step, ...path);
    progress.preparing();
    this.#abortable.throwIfAborted();
    const round = await this.#method.prepare({ step, completions, random });
    this.#abortable.throwIfAborted();
    // From here on weights change, so the step is completed even if the run is cancelled.
    this.#abortable = unwatched.signal;
    const results: { metrics: Record<string, number>; tokens: number }[] = [];
    for (let inner = 0; inner < updates; inner++) {
      const { batches, metrics } = await round.update(inner);
      if (batches.length === 0) break;
      const onBatch = (done: number) => progress.updating(inner * batches.length + done, updates * batches.length);
      const result = await this.#trainer.step(batches, onBatch);
      const tokens = batches.reduce((sum, { tokens }) => sum + tokens.data.length, 0);
      results.push({ metrics: { ...updateMetrics(result), ...metrics(result) }, tokens });
    }
    return {
      metrics: meanOf(results.map(({ metrics }) => metrics)),
      tokens: results.reduce((sum, { tokens }) => sum + tokens, 0),
    };
  }
}

/** Replaces null settings with the defaults of the model and the task. */
export function resolveSettings(
  model: Pick<LanguageModel, 'generation'> & Partial<Pick<LanguageModel, 'config'>>,
  task: Task,
  requested: FullTuningSettings,
  format: PromptFormat,
  objective?: Pick<Objective, 'fillsCanvases'>,
): { decoding: DecodingOptions; settings: TuningSettings } {
  const choice = requested.infilling === 'auto' && objective?.fillsCanvases ? 'canvas' : requested.infilling;
  const defaults = defaultDecoding(model, task, format, choice);
  const length = requested.length ?? defaults.length;
  const block = Math.min(requested.block ?? defaults.block, length);
  const steps = requested.decoding_steps ?? Math.ceil(length / model.generation.tokens_per_step);
  const { order, threshold, temperature } = requested;
  const infilling = defaults.infilling ? { infilling: defaults.infilling } : {};
  return {
    decoding: { order, threshold, temperature, length, block, steps, ...infilling },
    settings: { ...requested, length, block },
  };
}

/** Completions per pass: the number in the settings, or fewer if that many would not fit into memory. */
function fittingMicroBatch(
  model: LanguageModel,
  task: Task,
  problems: readonly unknown[],
  { micro_batch: requested, mask_samples: samples, length: answer }: TuningSettings,
): number {
  const format = model.generation.prompt_format;
  const longest = Math.max(0, ...problems.map((row) => contextLength(model, task, row, format)));
  const rows = rowsThatFit(model.config, { length: longest + answer, answer });
  return Math.min(requested, Math.max(1, Math.floor(rows / samples)));
}

/** Returns a function that records the seconds since its last call under the given name. */
function stopwatch() {
  const times: Record<string, number> = {};
  let last = performance.now();
  const recordPhase = (name: string) => {
    const now = performance.now();
    times[name] = (now - last) / 1000;
    last = now;
  };
  return Object.assign(recordPhase, { times });
}
