/**
 * The policy-gradient loop: generate groups of completions, score them, compare each with its group, update the model.
 * A method receives the rollouts before the first update on them and makes the batches of each update. It computes
 * anything else that it needs itself: old log-probabilities, a reference, a decoding trace, branches. Unlike in a textbook
 * loop, there is no value model, and advantages are not divided by their standard deviation. The current policy generates
 * the rollouts of each step, unless the method generates them or `staleness` allows an older policy.
 */
import type { DecodingOptions } from '../diffusion/denoise.ts';
import { readCompletion, suffixOf } from '../evaluation/answers.ts';
import type { HostTensor } from '../graph/tensor.ts';
import { maskToken } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import { backgroundContext, type WorkContext } from '../runs/run-job.ts';
import { isScored } from '../tasks/scorer.ts';
import type { PromptFormat, Reward, ScoringError, Task } from '../tasks/task.ts';
import { optimizerOf } from '../training/optimizer-settings.ts';
import { Trainer } from '../training/trainer.ts';
import type { TrainedStep, TrainingMethod } from '../training/training-job.ts';
import { type GroupAdvantages, groupAdvantages } from './advantages.ts';
import { evaluateValidation } from './held-out-evaluation.ts';
import { BoundEstimator } from './likelihoods/bounds.ts';
import type { MethodRun, Objective, RunningMethod, ScoredRollout } from './objectives/objective.ts';
import { PastPolicies } from './past-policies.ts';
import type { ProblemSource } from './problem-source.ts';
import { fittingMicroBatch, resolveSettings } from './resolve-settings.ts';
import {
  type GenerateHere,
  generateAndScore,
  generateRollouts,
  oneAfterAnother,
  type Rollout,
  type RolloutJob,
  scoreRollouts,
} from './rollouts.ts';
import type { OpenWorkers } from './run-workers.ts';
import type { FullTuningSettings, TuningSettings } from './settings.ts';
import { PhaseTimes, relativeUpdateCost, StepProgress, type StepTimes } from './step-progress.ts';
import {
  lengthMetrics,
  meanOf,
  repetitionMetrics,
  rewardMetrics,
  sampleRecord,
  scoringWarnings,
  updateMetrics,
} from './step-record.ts';
import { attemptsOf, type Trial, type TrialMethod, trialGroup } from './trial.ts';

/** Number of parts of a step's rollouts if rewards run tests: each part is scored while the next is generated. */
const partsPerStep = 4;

export interface PolicyGradientOptions {
  readonly model: LanguageModel;
  readonly task: Task;
  readonly objective: Objective;
  readonly settings: FullTuningSettings;
  readonly seed: number;
  /** Steps of the whole run, for a falling learning rate; null if a time limit ends the run. */
  readonly steps: number | null;
  /** The source of the training problems. */
  readonly problems: ProblemSource;
  /** Held-out problems for the evaluations between steps. */
  readonly validation: readonly unknown[];
  /** State of the method from the checkpoint that the run resumes from. */
  readonly restored?: ReadonlyMap<string, HostTensor>;
  /** Workers that generate rollouts too; absent: this process generates all. */
  readonly workers?: Pick<OpenWorkers, 'generate' | 'offer' | 'takeMetrics'> | undefined;
}

/** A training method that `runTrainingJob` runs step by step, and that can be tried before the first step. */
export interface PolicyGradientMethod extends TrainingMethod, TrialMethod {}

export const policyGradient = (options: PolicyGradientOptions): PolicyGradientMethod => new PolicyGradientLoop(options);

class PolicyGradientLoop implements PolicyGradientMethod {
  readonly bestBy: string;
  /** Absent if there are no validation problems. */
  readonly evaluate?: NonNullable<TrainingMethod['evaluate']>;
  readonly #options: PolicyGradientOptions;
  readonly #format: PromptFormat;
  readonly #decoding: DecodingOptions;
  readonly #settings: TuningSettings;
  readonly #reward: string;
  readonly #trainer: Trainer;
  readonly #bounds: BoundEstimator;
  readonly #method: RunningMethod;
  readonly #policies: PastPolicies;
  /** Groups of later steps that were offered to workers. */
  readonly #offered = new Map<number, RolloutJob[][]>();
  /** Aborts the current step. Once the step has changed a weight, it is replaced by a signal that never aborts. */
  #stepSignal: AbortSignal = backgroundContext.signal;
  /** Times of the previous step. */
  #times: StepTimes | null = null;

  constructor(options: PolicyGradientOptions) {
    const { model, task, objective, settings: requested, seed, steps, problems, validation } = options;
    const format = model.generation.prompt_format;
    const { decoding, settings } = resolveSettings(model, task, requested, format, objective);
    const examples = [
      ...validation.slice(0, 32),
      ...Array.from({ length: 32 }, (_, n) => problems.draw(new Random(seed, 'size', n))),
    ];
    this.bestBy = task.metrics[0];
    this.#options = options;
    this.#format = format;
    this.#decoding = decoding;
    this.#settings = { ...settings, micro_batch: fittingMicroBatch(model, task, examples, settings) };
    this.#reward = requested.reward ?? task.rewards[0];
    const updates = (steps ?? 1) * settings.inner_updates;
    this.#trainer = new Trainer(model, objective.loss, optimizerOf(settings, model.trained.keys(), updates));
    this.#bounds = new BoundEstimator(model);
    this.#policies = new PastPolicies(model, settings.staleness);
    this.#method = objective.begin(this.#methodRun());
    if (validation.length === 0) return;
    const heldOut = { model, task, problems: validation, split: 'validation', infilling: settings.infilling } as const;
    this.evaluate = (context = backgroundContext) =>
      evaluateValidation(heldOut, this.#bounds, { beta: settings.beta, seed, context });
  }

  async step(step: number, context: WorkContext = backgroundContext): Promise<TrainedStep> {
    const { task, problems, workers } = this.#options;
    this.#stepSignal = context.signal;
    const times = new PhaseTimes();
    await this.#policies.begin(step);
    const groups = this.#offered.get(step) ?? this.#rolloutJobs(step);
    this.#offered.delete(step);
    const progress = new StepProgress(context.reportProgress, {
      completions: groups.flat().length,
      countsRewards: task.scorer.runsTests,
      updateCost: relativeUpdateCost(this.#settings, this.#decoding),
      previous: this.#times,
    });
    const generating = this.#generate(step, groups, progress);
    const offering = this.#offerAhead();
    const { rollouts, tokens: rolloutTokens, rewards: awaitRewards } = await generating.finally(() => offering);
    times.end('time/rollout');
    const rewards = await awaitRewards();
    times.end('time/reward');
    const advantages = groupAdvantages(
      rewards.map((reward) => (isScored(reward) ? reward.total : null)),
      this.#settings.group_size,
    );
    const { metrics, tokens } = await this.#update(step, this.#scoredRollouts(rollouts, rewards, advantages), progress);
    times.end('time/update');
    problems.observe?.(attemptsOf(rollouts, rewards));
    this.#times = times.all();
    return {
      metrics: {
        ...rewardMetrics(rewards),
        reward_std: advantages.meanStd,
        frac_reward_zero_std: advantages.zeroStdShare,
        ...lengthMetrics(rollouts),
        ...repetitionMetrics(rollouts),
        ...problems.metrics?.(),
        ...metrics,
        ...workers?.takeMetrics(),
        ...this.#offPolicyMetrics(step),
        forwards_per_rollout: rollouts.reduce((sum, { forwards }) => sum + forwards, 0) / rollouts.length,
        ...this.#times,
      },
      samples: rollouts.map((rollout, index) =>
        sampleRecord(rollout, rewards[index] as Reward | ScoringError, advantages.advantages[index] as number),
      ),
      tokens: rolloutTokens + tokens,
      warnings: scoringWarnings(rewards),
    };
  }

  async attempt(attempts: number, context: WorkContext): Promise<Trial> {
    const { task, seed, problems } = this.#options;
    const { group_size: groupSize, prompts_per_step: prompts } = this.#settings;
    this.#stepSignal = context.signal;
    const groups = Array.from({ length: Math.ceil(attempts / groupSize) }, (_, index) => {
      const random = new Random(seed, 'trial', index);
      const level = problems.levels?.[index % problems.levels.length];
      const row = level ? random.pick(level.rows) : problems.draw(random);
      return { level: level?.name ?? null, jobs: this.#groupJobs(row, 0, random) };
    });
    const jobs = groups.map((group) => group.jobs);
    const times = new PhaseTimes();
    const progress = new StepProgress(context.reportProgress, {
      completions: jobs.flat().length,
      countsRewards: task.scorer.runsTests,
      updateCost: 0,
      previous: null,
    });
    const { rollouts, rewards: awaitRewards } = await this.#generate(0, jobs, progress);
    times.end('time/rollout');
    const rewards = await awaitRewards();
    times.end('time/reward');
    problems.observe?.(attemptsOf(rollouts, rewards));
    const { 'time/rollout': generationTime, 'time/reward': waitingTime } = times.all();
    const updateTime = generationTime * relativeUpdateCost(this.#settings, this.#decoding);
    return {
      groups: groups.map(({ level }, index) =>
        trialGroup(level, rewards.slice(index * groupSize, (index + 1) * groupSize)),
      ),
      seconds: generationTime + waitingTime,
      secondsPerStep: ((generationTime + waitingTime + updateTime) * prompts) / groups.length,
    };
  }

  async state(): Promise<ReadonlyMap<string, HostTensor>> {
    return new Map([...((await this.#method.state?.()) ?? []), ...(this.#options.problems.state?.() ?? [])]);
  }

  async dispose(): Promise<void> {
    await this.#trainer.dispose();
    await this.#bounds.dispose();
    await this.#method.dispose?.();
  }

  /** The parts of the run that the method can access. */
  #methodRun(): MethodRun {
    const { model, task, restored = new Map() } = this.#options;
    const { pad_token_id: pad } = model.config;
    const mask = maskToken(model.config);
    return {
      model,
      settings: this.#settings,
      specialTokens: { mask, pad },
      evaluate: async (batch) => {
        this.#stepSignal.throwIfAborted();
        return (await this.#trainer.evaluate(batch)).metrics;
      },
      reward: (completions) => this.#rewardsOf(completions),
      solution: ({ row }) => task.solution(row, this.#format),
      underGenerator: (work) => this.#policies.underGenerator(work),
      restartOptimizer: () => this.#trainer.restart(),
      restored,
    };
  }

  /** Total rewards of completions that a method generated itself. */
  async #rewardsOf(completions: Parameters<MethodRun['reward']>[0]): Promise<number[]> {
    const { model, task } = this.#options;
    const texts = completions.map(({ job, tokens }) => ({ job, ...readCompletion(model, { tokens }) }));
    const rewards = await scoreRollouts(task, texts, this.#reward, this.#format, { signal: this.#stepSignal });
    return rewards.map((reward) => {
      // A completion may be left out, but an estimate without one of its branches would be biased.
      if (!isScored(reward))
        throw new UserError(
          `A branch of a completion could not be rewarded: ${reward.broken}; fix the cause and resume the run.`,
        );
      return reward.total;
    });
  }

  /** Generates and scores the groups of a step. If rewards run tests, scoring overlaps with generation. */
  #generate(step: number, groups: readonly (readonly RolloutJob[])[], progress: StepProgress) {
    const { model, task, workers } = this.#options;
    const generate = workers?.generate ?? oneAfterAnother;
    const { batches, scoredTogether } = this.#batches(groups);
    const weights = step === 0 ? undefined : this.#policies.weightsOf(this.#policies.generatorOf(step));
    const generateHere: GenerateHere = async (batch, signal) => {
      const before = model.work.tokens;
      const hooks = { signal, onStep: (share: number) => progress.generating(batch.length, share) };
      const rollouts = await (this.#method.rollOut?.(batch, step, hooks) ??
        this.#policies.underGenerator(() => generateRollouts(model, batch, hooks)));
      return { rollouts, tokens: model.work.tokens - before };
    };
    return generateAndScore({
      batches,
      scoredTogether,
      signal: this.#stepSignal,
      generate: (each, signal) =>
        generate(each, generateHere, { step, signal, weights }).map(async (batch) => {
          const generated = await batch;
          progress.generated(generated.rollouts.length);
          return generated;
        }),
      score: (rollouts, signal) => {
        const onProgress = progress.scoring(rollouts.length);
        return scoreRollouts(task, rollouts, this.#reward, this.#format, { signal, onProgress });
      },
    });
  }

  /** Divides the groups of a step into batches, and says how many batches are scored together. */
  #batches(groups: readonly (readonly RolloutJob[])[]) {
    const { prompts_per_step: prompts, rollout_batch: batch } = this.#settings;
    // Scoring a part of the step at a time is faster only if tests run while the next part is generated.
    const part = this.#options.task.scorer.runsTests ? Math.ceil(prompts / partsPerStep) : groups.length;
    if (batch === 'group') return { batches: groups, scoredTogether: part };
    const batches = Array.from({ length: Math.ceil(groups.length / part) }, (_, index) =>
      groups.slice(index * part, (index + 1) * part).flat(),
    );
    return { batches, scoredTogether: 1 };
  }

  /** A group of jobs for each problem. Problems and seeds depend only on the run's seed and the step. */
  #rolloutJobs(step: number): RolloutJob[][] {
    const { seed, problems } = this.#options;
    const { prompts_per_step: prompts, inner_updates: updates } = this.#settings;
    return Array.from({ length: prompts }, (_, index) => {
      const random = new Random(seed, 'problem', step, index);
      return this.#groupJobs(problems.draw(random), (this.#policies.generatorOf(step) - 1) * updates, random);
    });
  }

  /** Offers the groups of later steps that the current policy generates to the workers. */
  async #offerAhead(): Promise<void> {
    const { workers, steps } = this.#options;
    if (!workers) return;
    for (const step of this.#policies.stepsAhead) {
      if (steps !== null && step > steps) return;
      const groups = this.#rolloutJobs(step);
      this.#offered.set(step, groups);
      await workers.offer(step, groups, this.#policies.weightsOf(this.#policies.generatorOf(step)));
    }
  }

  /** By how many steps the policies that generated a step's groups are older than the current one. All groups have the same. */
  #offPolicyMetrics(step: number): Record<string, number> {
    if (this.#settings.staleness === 0) return {};
    const age = step - this.#policies.generatorOf(step);
    return { 'off_policy/steps/mean': age, 'off_policy/steps/max': age };
  }

  /** The jobs of a problem's group. */
  #groupJobs(row: unknown, policyVersion: number, random: Random): RolloutJob[] {
    const { model, task } = this.#options;
    const prompt = task.prompt(row, this.#format);
    const suffix = suffixOf(model, task, row, this.#format);
    return Array.from({ length: this.#settings.group_size }, () => ({
      task: task.name,
      row,
      prompt,
      ...(suffix === '' ? {} : { suffix }),
      policyVersion,
      seed: random.integer(2 ** 31),
      decoding: this.#decoding,
    }));
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
      const { prompt, suffix, constraints, tokens, length } = rollout;
      const advantage = advantages[index] as number;
      const group = Math.floor(index / this.#settings.group_size);
      const context = { prompt, ...(suffix ? { suffix } : {}), ...(constraints ? { constraints } : {}) };
      return [{ rollout, ...context, tokens, length, advantage, reward: reward.total, group }];
    });
  }

  /** Makes the inner updates on one set of rollouts, each with new masks, and returns their mean metrics. */
  async #update(step: number, completions: readonly ScoredRollout[], progress: StepProgress) {
    const { inner_updates: updates } = this.#settings;
    const random = (name: string | number, ...path: readonly (string | number)[]) =>
      new Random(this.#options.seed, name, step, ...path);
    progress.preparing();
    this.#stepSignal.throwIfAborted();
    const prepared = await this.#method.prepare({ step, completions, random });
    this.#stepSignal.throwIfAborted();
    // From here on weights change, so the step is completed even if the run is cancelled.
    this.#stepSignal = backgroundContext.signal;
    const results: { metrics: Record<string, number>; tokens: number }[] = [];
    for (let inner = 0; inner < updates; inner++) {
      const { batches, metrics } = await prepared.update(inner);
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
