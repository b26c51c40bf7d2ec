import type { HostTensor } from '../../graph/tensor.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { type Batch, type Loss, Trainer } from '../../training/trainer.ts';
import { generateRollouts, type Rollout, type RolloutHooks, type RolloutJob } from '../rollouts.ts';
import { evalOnlyOptimizer } from './eval-only-optimizer.ts';

/**
 * A frozen copy of the policy: a reference or a teacher. With an adapter, only the adapter is copied. The copy is
 * made on first use, which must be before the first update, or restored from a checkpoint.
 */
export class FrozenPolicy {
  readonly #source: LanguageModel;
  readonly #prefix: string;
  readonly #restored: Map<string, HostTensor>;
  #copy: Promise<{ readonly model: LanguageModel; readonly trainer: Trainer }> | undefined;

  /** `name` is the prefix of the copy's weights in the method's state. */
  constructor(source: LanguageModel, name: string, restored: ReadonlyMap<string, HostTensor>) {
    this.#source = source;
    this.#prefix = `${name}.`;
    this.#restored = new Map(
      [...restored].flatMap(([key, value]) =>
        key.startsWith(this.#prefix) ? [[key.slice(this.#prefix.length), value]] : [],
      ),
    );
  }

  /** The metrics of a batch's loss under this policy. */
  async evaluate(batch: Batch): Promise<Record<string, HostTensor>> {
    const { trainer } = await this.#copied();
    return (await trainer.evaluate(batch)).metrics;
  }

  /** Generates completions. Its forward passes count as the policy's. */
  async rollOut(jobs: readonly RolloutJob[], hooks?: RolloutHooks): Promise<Rollout[]> {
    const { model } = await this.#copied();
    const { forwards, tokens } = model.work;
    const rollouts = await generateRollouts(model, jobs, hooks);
    this.#source.work.forwards += model.work.forwards - forwards;
    this.#source.work.tokens += model.work.tokens - tokens;
    return rollouts;
  }

  /** Makes the copy, unless it exists. */
  async copyOnce(): Promise<void> {
    await this.#copied();
  }

  /** Replaces the copy by the current policy. */
  async copyAgain(): Promise<void> {
    const { model } = await this.#copied();
    for (const [name, value] of await this.#source.readWeights()) await model.state.write(name, value);
  }

  /** The weights of the copy, for a checkpoint. */
  async state(): Promise<Map<string, HostTensor>> {
    const weights = this.#copy ? await (await this.#copy).model.readWeights() : this.#restored;
    return new Map([...weights].map(([name, value]) => [this.#prefix + name, value]));
  }

  async dispose(): Promise<void> {
    if (!this.#copy) return;
    const { model, trainer } = await this.#copy;
    await trainer.dispose();
    await model.dispose();
  }

  #copied() {
    this.#copy ??= this.#load();
    return this.#copy;
  }

  async #load() {
    const model = await this.#source.copy(this.#restored.size > 0 ? this.#restored : await this.#source.readWeights());
    // Every batch that is evaluated has its own loss.
    return { model, trainer: new Trainer(model, noLoss, evalOnlyOptimizer) };
  }
}

const noLoss: Loss = {
  name: 'none',
  define: () => {
    throw new Error('a frozen policy has no loss of its own');
  },
};
