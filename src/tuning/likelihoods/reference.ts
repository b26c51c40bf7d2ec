import { UsageError } from '../../platform/errors.ts';
import type { MethodRun } from '../objectives/objective.ts';
import type { FullTuningSettings } from '../settings.ts';
import { FrozenPolicy } from './frozen-policy.ts';

/** The reference policy of a divergence or of a relative score. It is copied again every `reference_every` steps. */
export class Reference {
  readonly #policy: FrozenPolicy;
  readonly #every: number;

  /** `name` is the name of the reference in a checkpoint. A method on top of another method has a reference of its own. */
  constructor({ model, settings, restored }: Pick<MethodRun, 'model' | 'settings' | 'restored'>, name = 'reference') {
    this.#policy = new FrozenPolicy(model, name, restored);
    this.#every = settings.reference_every;
  }

  /**
   * The reference of a step. Call it in every step before the first update, even if the reference is not needed
   * there.
   */
  async at(step: number): Promise<FrozenPolicy> {
    if (this.#every > 0 && step > 1 && (step - 1) % this.#every === 0) await this.#policy.copyAgain();
    else await this.#policy.copyOnce();
    return this.#policy;
  }

  state() {
    return this.#policy.state();
  }

  dispose() {
    return this.#policy.dispose();
  }
}

/** Throws a `UsageError` if the reference is disabled for a method that requires one. */
export function requireReference(name: string, { reference }: FullTuningSettings): void {
  if (reference === 'none')
    throw new UsageError(`${name} needs a reference policy; set reference=base, or choose another objective.`);
}

/**
 * The weight of the divergence from the reference. Throws a `UsageError` if it is not 0 although the reference is
 * disabled.
 */
export function divergenceWeight(name: string, { kl, reference }: FullTuningSettings, defaultKl: number): number {
  const weight = kl ?? defaultKl;
  if (weight > 0 && reference === 'none')
    throw new UsageError(`${name} with kl = ${weight} needs a reference policy; set reference=base, or set kl=0.`);
  return weight;
}
