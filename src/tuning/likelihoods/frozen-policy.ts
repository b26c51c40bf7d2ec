import type { HostTensor } from '../../graph/tensor.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { type Batch, type Loss, Trainer } from '../../training/trainer.ts';
import { generateRollouts, type Rollout, type RolloutJob } from '../rollouts.ts';
import { evalOnlyOptimizer } from './eval-only-optimizer.ts';

/**
 * A copy of the policy that stays as it was: a reference, or a teacher. Beside an adapter it is a copy of that alone. It is
 * taken when it is first asked for, which must be before the first update, or stands as a checkpoint kept it.
 */
export class FrozenPolicy {
  readonly #source: LanguageModel;
  readonly #prefix: string;
  readonly #kept: Map<string, HostTensor>;
  #open: Promise<{ readonly model: LanguageModel; readonly trainer: Trainer }> | undefined;

  /** `name` is what its weights are kept under among the method's state. */
  constructor(source: LanguageModel, name: string, restored: ReadonlyMap<string, HostTensor>) {
    this.#source = source;
    this.#prefix = `${name}.`;
    this.#kept = new Map(
      [...restored].flatMap(([key, value]) =>
        key.startsWith(this.#prefix) ? [[key.slice(this.#prefix.length), value]] : [],
      ),
    );
  }

  /** What the loss of a batch logs under this policy. */
  async evaluate(batch: Batch): Promise<Record<string, HostTensor>> {
    const { trainer } = await this.#opened();
    return (await trainer.evaluate(batch)).metrics;
  }

  /** Writes completions; its forward passes count as the policy's work. */
  async rollOut(jobs: readonly RolloutJob[]): Promise<Rollout[]> {
    const { model } = await this.#opened();
    const { forwards, tokens } = model.work;
    const rollouts = await generateRollouts(model, jobs);
    this.#source.work.forwards += model.work.forwards - forwards;
    this.#source.work.tokens += model.work.tokens - tokens;
    return rollouts;
  }

  /** Sees that it is there. */
  async take(): Promise<void> {
    await this.#opened();
  }

  /** Becomes the policy as it is now. */
  async retake(): Promise<void> {
    const { model } = await this.#opened();
    for (const [name, value] of await this.#source.readWeights()) await model.state.write(name, value);
  }

  /** The weights that are its own, to be kept in a checkpoint. */
  async state(): Promise<Map<string, HostTensor>> {
    const weights = this.#open ? await (await this.#open).model.readWeights() : this.#kept;
    return new Map([...weights].map(([name, value]) => [this.#prefix + name, value]));
  }

  async dispose(): Promise<void> {
    if (!this.#open) return;
    const { model, trainer } = await this.#open;
    await trainer.dispose();
    await model.dispose();
  }

  #opened() {
    this.#open ??= this.#take();
    return this.#open;
  }

  async #take() {
    const model = await this.#source.copy(this.#kept.size > 0 ? this.#kept : await this.#source.readWeights());
    // Only losses are evaluated; every batch brings its own.
    return { model, trainer: new Trainer(model, noLoss, evalOnlyOptimizer) };
  }
}

const noLoss: Loss = {
  name: 'none',
  define: () => {
    throw new Error('a frozen policy has no loss of its own');
  },
};
