/** Compares the gradient estimate of each objective with the enumerated policy gradient of the tiny world. */
import type { Engine } from '../../engine/engine.ts';
import type { HostTensor } from '../../graph/tensor.ts';
import { maskToken } from '../../model/config.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { Random } from '../../platform/random.ts';
import { Trainer } from '../../training/trainer.ts';
import { groupAdvantages } from '../advantages.ts';
import { evalOnlyOptimizer } from '../likelihoods/eval-only-optimizer.ts';
import { weightedScores } from '../likelihoods/score-losses.ts';
import type { MethodRun, Objective, RunningMethod, ScoredRollout, StepRollouts } from '../objectives/objective.ts';
import { objectiveByName, objectives } from '../objectives/registry.ts';
import { generateRollouts, type Rollout, type RolloutJob } from '../rollouts.ts';
import { type TuningSettings, tuningSettings } from '../settings.ts';
import { policyGradientBatch, type RewardOf } from './enumerated-gradient.ts';
import { type GradientError, Moments } from './moments.ts';
import { letterIds, predictEverything, tinyWorld } from './world.ts';

/** An objective with its settings. */
export interface Estimator {
  readonly name: string;
  readonly objective: Objective;
  readonly settings: TuningSettings;
}

/** The errors of an estimator; see `GradientError`. */
export interface EstimatorRow extends GradientError {
  readonly estimator: string;
}

const prompt = 'a';

/** Settings of the tiny world: completions are decoded letter by letter in random order, without a reference. */
export function worldSettings(length: number, changes: object = {}): TuningSettings {
  const requested = tuningSettings.parse({
    order: 'random',
    temperature: 1,
    kl: 0,
    inner_updates: 1,
    clean_token_masking: 0,
    masking: 'random',
    repair_steps: 0,
    // With edits, the rewarded text would differ from the enumerated one.
    edit_threshold: 0.999999,
    tilt_steps: 1_000_000,
    trace_steps: length,
    ...changes,
  });
  return { ...requested, length, block: requested.block ?? length };
}

/** Every objective with its default settings, and variants of SPG. */
export function everyEstimator(length: number): Estimator[] {
  const estimator = (name: string, changes: object = {}, objective = name): Estimator => ({
    name,
    objective: objectiveByName(objective),
    settings: worldSettings(length, changes),
  });
  const half = Math.floor(length / 2);
  // The block length must divide the completion.
  const block = length % 2 === 0 ? half : length;
  return [
    ...objectives.map(({ name }) => estimator(name)),
    ...(['all', 'block-all', 'block-random'] as const).map((masking) =>
      estimator(`spg-mixture, masking ${masking}`, { masking, block }, 'spg-mixture'),
    ),
    estimator('spg-mixture, paper', { estimator: 'paper' }, 'spg-mixture'),
    estimator('spg-mixture, m = 8', { mask_samples: 8 }, 'spg-mixture'),
    estimator('spg-mixture, paper, m = 8', { estimator: 'paper', mask_samples: 8 }, 'spg-mixture'),
    estimator('spg-eubo, paper, m = 8', { estimator: 'paper', mask_samples: 8 }, 'spg-eubo'),
    estimator('spg-eubo, loose bound', { estimator: 'paper', upper_bound: 'loose' }, 'spg-eubo'),
    estimator('spg-elbo, paper', { estimator: 'paper' }, 'spg-elbo'),
    estimator('spg-mixture, 0.15 of the prompt masked', { clean_token_masking: 0.15 }, 'spg-mixture'),
    estimator('egspo, half of the steps', { trace_steps: half }, 'egspo'),
  ];
}

/** The reward of a text in `unmask exact`: the squared share of positions with the target letter. */
export function letterReward(text: readonly number[]): number {
  const right = text.filter((letter, position) => letter === [0, 2, 1, 3][position % 4]).length;
  return (right / text.length) ** 2;
}

/** A tiny world with its model and its true gradient, in which estimators are measured. */
export class EstimatorSetup {
  readonly model: LanguageModel;
  readonly truth: Float64Array;
  readonly #trainer: Trainer;
  readonly #length: number;
  readonly #reward: RewardOf;

  private constructor(model: LanguageModel, trainer: Trainer, truth: Float64Array, length: number, reward: RewardOf) {
    this.model = model;
    this.#trainer = trainer;
    this.truth = truth;
    this.#length = length;
    this.#reward = reward;
  }

  static async open(engine: Engine, options: { seed: number; length: number; reward?: RewardOf }) {
    const { seed, length, reward = letterReward } = options;
    const model = await tinyWorld(engine, seed);
    const trainer = new Trainer(model, weightedScores, evalOnlyOptimizer);
    const predict = await predictEverything(model, prompt, length);
    const batch = policyGradientBatch(model, prompt, predict, length, reward);
    return new EstimatorSetup(model, trainer, flat(await trainer.gradients([batch])), length, reward);
  }

  /** Starts an objective in this world. */
  begin({ objective, settings }: Estimator): RunningMethod {
    return objective.begin(this.run(settings));
  }

  run(settings: TuningSettings): MethodRun {
    const { pad_token_id: pad } = this.model.config;
    const mask = maskToken(this.model.config);
    return {
      model: this.model,
      settings,
      specialTokens: { mask, pad },
      evaluate: async (batch) => (await this.#trainer.evaluate(batch)).metrics,
      reward: async (completions) => completions.map(({ tokens }) => this.#rewardOf(tokens)),
      solution: () => null,
      restartOptimizer: async () => undefined,
      restored: new Map(),
    };
  }

  /** `count` rollout jobs of set number `draw`. */
  jobs(seed: number, draw: number, count: number, steps = this.#length): RolloutJob[] {
    const random = new Random(seed, 'rollouts', draw);
    const length = this.#length;
    const decoding = { order: 'random', length, block: length, steps, threshold: 1, temperature: 1 } as const;
    return Array.from({ length: count }, () => ({
      task: 'tiny world',
      row: null,
      prompt,
      policyVersion: 0,
      seed: random.integer(2 ** 31),
      decoding,
    }));
  }

  /** Rewards rollouts, as the input of a method's `prepare`. */
  collect(rollouts: readonly Rollout[], groupSize: number, seed: number, draw: number): StepRollouts {
    const rewards = rollouts.map(({ tokens }) => this.#rewardOf(tokens));
    const { advantages } = groupAdvantages(rewards, groupSize);
    const completions = rollouts.map((rollout, index): ScoredRollout => {
      const { prompt, tokens, length } = rollout;
      const [reward, advantage] = [rewards[index] as number, advantages[index] as number];
      const group = Math.floor(index / groupSize);
      return { rollout, prompt, tokens, length, reward, advantage, group };
    });
    return { step: draw + 1, completions, random: (...path) => new Random(seed, ...path, draw) };
  }

  /** The gradient of batches' summed losses, flat. */
  async gradient(batches: Parameters<Trainer['gradients']>[0]): Promise<Float64Array> {
    return flat(await this.#trainer.gradients(batches));
  }

  /** The errors of estimators, measured on the same `draws` sets of four groups of rollouts. */
  async measure(
    estimators: readonly Estimator[],
    { draws, seed, progress }: { draws: number; seed: number; progress?: (done: number) => void },
  ): Promise<EstimatorRow[]> {
    const running = estimators.map((estimator) => ({
      estimator,
      method: this.begin(estimator),
      moments: new Moments(this.truth.length),
    }));
    const { group_size: groupSize } = running[0]!.estimator.settings;
    for (let draw = 0; draw < draws; draw++) {
      const jobs = this.jobs(seed, draw, 4 * groupSize);
      const shared = await generateRollouts(this.model, jobs);
      for (const { estimator, method, moments } of running) {
        const rollouts = (await method.rollOut?.(jobs, draw + 1)) ?? shared;
        const updates = await method.prepare(this.collect(rollouts, groupSize, seed, draw));
        const { batches } = await updates.update(0);
        moments.add(await this.gradient(batches.map((batch) => ({ loss: estimator.objective.loss, ...batch }))));
      }
      progress?.(draw + 1);
    }
    for (const { method } of running) await method.dispose?.();
    return running.map(({ estimator, moments }) => ({ estimator: estimator.name, ...moments.against(this.truth) }));
  }

  async dispose(): Promise<void> {
    await this.#trainer.dispose();
    await this.model.dispose();
  }

  #rewardOf(completion: Int32Array): number {
    return this.#reward([...completion].map((id) => letterIds.indexOf(id)));
  }
}

function flat(gradients: ReadonlyMap<string, HostTensor>): Float64Array {
  return Float64Array.from([...gradients.values()].flatMap(({ data }) => [...data]));
}
