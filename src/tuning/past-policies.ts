import type { HostTensor } from '../graph/tensor.ts';
import type { LanguageModel } from '../model/language-model.ts';

/** The trained weights of a policy, by name. */
export type PolicyWeights = ReadonlyMap<string, HostTensor>;

/**
 * The policies that generate the rollouts of a run with `staleness` S: those of step n come from the policy that step n - S began
 * with, or from the oldest policy that is known (at the start of a run, and after it was resumed). With S = 0 nothing is stored.
 */
export class PastPolicies {
  readonly #model: Pick<LanguageModel, 'readWeights' | 'state'>;
  readonly #staleness: number;
  /** Weights at the beginning of each of the last S + 1 steps. */
  readonly #weights = new Map<number, PolicyWeights>();
  #step = 0;

  constructor(model: Pick<LanguageModel, 'readWeights' | 'state'>, staleness: number) {
    this.#model = model;
    this.#staleness = staleness;
  }

  /** Stores the policy that a step begins with, and drops those that are too old for this step. */
  async begin(step: number): Promise<void> {
    this.#step = step;
    if (this.#staleness === 0) return;
    this.#weights.set(step, await this.#model.readWeights());
    for (const past of this.#weights.keys()) if (past < step - this.#staleness) this.#weights.delete(past);
  }

  /** The step whose policy generates the rollouts of a step. */
  generatorOf(step: number): number {
    if (this.#staleness === 0) return step;
    return Math.max(step - this.#staleness, Math.min(step, ...this.#weights.keys()));
  }

  /** The later steps whose rollouts the current policy generates. */
  get stepsAhead(): number[] {
    const later = Array.from({ length: this.#staleness }, (_, index) => this.#step + 1 + index);
    return later.filter((step) => this.generatorOf(step) === this.#step);
  }

  /** The weights of the policy of a step; undefined if they are the model's. */
  weightsOf(step: number): PolicyWeights | undefined {
    return this.#weights.get(step);
  }

  /** Runs `work` with the policy that generated the rollouts of the current step, and restores the current policy. */
  async underGenerator<T>(work: () => Promise<T>): Promise<T> {
    const past = this.#weights.get(this.generatorOf(this.#step));
    const current = this.#weights.get(this.#step);
    if (!past || !current || past === current) return work();
    try {
      await this.#write(past);
      return await work();
    } finally {
      await this.#write(current);
    }
  }

  async #write(weights: PolicyWeights): Promise<void> {
    for (const [name, value] of weights) await this.#model.state.write(name, value);
  }
}
