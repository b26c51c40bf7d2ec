import { UsageError } from '../../platform/errors.ts';
import type { MethodRun } from '../objectives/objective.ts';
import type { FullTuningSettings } from '../settings.ts';
import { FrozenPolicy } from './frozen-policy.ts';

/** The policy that a divergence or a relative score is taken from, taken anew every `reference_every` steps. */
export class Reference {
  readonly #policy: FrozenPolicy;
  readonly #every: number;

  /** `name` is what it is kept under in a checkpoint; a method that stands on another has one of its own. */
  constructor({ model, settings, restored }: Pick<MethodRun, 'model' | 'settings' | 'restored'>, name = 'reference') {
    this.#policy = new FrozenPolicy(model, name, restored);
    this.#every = settings.reference_every;
  }

  /** The reference as it stands in a step; ask once a step, before its first update, whether it is needed there or not. */
  async at(step: number): Promise<FrozenPolicy> {
    if (this.#every > 0 && step > 1 && (step - 1) % this.#every === 0) await this.#policy.retake();
    else await this.#policy.take();
    return this.#policy;
  }

  state() {
    return this.#policy.state();
  }

  dispose() {
    return this.#policy.dispose();
  }
}

/** Throws a `UsageError` where a method that is nothing without a reference is to do without. */
export function requireReference(name: string, { reference }: FullTuningSettings): void {
  if (reference === 'none')
    throw new UsageError(
      `${name} compares the policy with a reference; leave reference at base, or take another objective.`,
    );
}

/** The weight of the divergence from the reference; throws a `UsageError` where there is to be one without a reference. */
export function divergenceWeight(name: string, { kl, reference }: FullTuningSettings, own: number): number {
  const weight = kl ?? own;
  if (weight > 0 && reference === 'none')
    throw new UsageError(`${name} is held near a reference with kl = ${weight}; leave reference at base, or set kl=0.`);
  return weight;
}
