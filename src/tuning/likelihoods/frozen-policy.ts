import type { HostTensor } from '../../graph/tensor.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { type Batch, type Loss, Trainer } from '../../training/trainer.ts';
import { generateRollouts, type Rollout, type RolloutJob, type RolloutWatch } from '../rollouts.ts';
import { evalOnlyOptimizer } from './eval-only-optimizer.ts';

/**
 * A frozen copy of the policy: a reference or a teacher. With an adapter, only the adapter is copied. The copy is
 * made on first use, which must be before the first update, or restored from a checkpoint.
 */
export class FrozenPolicy {
  readonly #source: LanguageModel;
  readonly #prefix: string;
  readonly #kept: Map<string, HostTensor>;
  #open: Promise<{ readonly model: LanguageModel; readonly trainer: Trainer }> | undefined;

  /** `name`: the prefix of its weights in the method's state. */
  constructor(source: LanguageModel, name: string, restored: ReadonlyMap<string, HostTensor>) {
    this.#source = source;
    this.#prefix = `${name}.`;
    this.#kept = new Map(
      [...restored].flatMap(([key, value]) =>
        key.startsWith(this.#prefix) ? [[key.slice(this.#prefix.length), value]] : [],
      ),
    );
  }

  /** The metrics of a batch's loss under this policy. */
  async evaluate(batch: Batch): Promise<Record<string, HostTensor>> {
    const { trainer } = await this.#opened();
    return (await trainer.evaluate(batch)).metrics;
  }

  /** Generates completions. Its forward passes count as the policy's. */
  async rollOut(jobs: readonly RolloutJob[], watch?: RolloutWatch): Promise<Rollout[]> {
    const { model } = await this.#opened();
    const { forwards, tokens } = model.work;
    const rollouts = await generateRollouts(model, jobs, watch);
    this.#source.work.forwards += model.work.forwards - forwards;
    this.#source.work.tokens += model.work.tokens - tokens;
    return rollouts;
  }

  /** Ensures that the copy exists. */
  async take(): Promise<void> {
    await this.#opened();
  }

  /** Copies the current policy again. */
  async retake(): Promise<void> {
    const { model } = await this.#opened();
    for (const [name, value] of await this.#source.readWeights()) await model.state.write(name, value);
  }

  /** Its own weights, for a checkpoint. */
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
    // Only losses are evaluated, and every batch has its own.
    return { model, trainer: new Trainer(model, noLoss, evalOnlyOptimizer) };
  }
}

const noLoss: Loss = {
  name: 'none',
  define: () => {
    throw new Error('a frozen policy has no loss of its own');
  },
};
