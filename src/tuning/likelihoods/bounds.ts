import { maskExactCount } from '../../diffusion/masking.ts';
import { maskToken } from '../../model/config.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { Random } from '../../platform/random.ts';
import { rowsThatFit } from '../../training/memory.ts';
import { Trainer } from '../../training/trainer.ts';
import type { MaskSamples, ScoredCompletion } from '../objectives/objective.ts';
import { type SpgEstimator, spgBatch, spgLoss } from '../objectives/spg.ts';
import { evalOnlyOptimizer } from './eval-only-optimizer.ts';

/** Bounds of one completion's log-likelihood, in nats. */
export interface Bounds {
  readonly elbo: number;
  /** The trained form, without the constant C(T), so it can be below the log-likelihood. */
  readonly eubo: number;
}

/** Estimates both bounds of completions without changing the model. */
export class BoundEstimator {
  readonly #model: LanguageModel;
  readonly #trainer: Trainer;

  constructor(model: LanguageModel) {
    this.#model = model;
    // Only the loss is evaluated; no step is made.
    this.#trainer = new Trainer(model, spgLoss, evalOnlyOptimizer);
  }

  /** Bounds for explicit masks: `masks[j][s]` covers prompt and completion j in sample s. */
  async fromMasks(
    completions: readonly ScoredCompletion[],
    masks: readonly MaskSamples[],
    estimator: SpgEstimator,
  ): Promise<Bounds[]> {
    const { pad_token_id: pad } = this.#model.config;
    const mask = maskToken(this.#model.config);
    const weights = completions.map(() => ({ elbo: 0, eubo: 0 }));
    const { metrics } = await this.#trainer.evaluate(spgBatch(completions, masks, weights, estimator, { mask, pad }));
    return completions.map((_, j) => ({
      elbo: metrics.elbo!.data[j] as number,
      eubo: metrics.eubo!.data[j] as number,
    }));
  }

  /**
   * The mean over completions of the upper minus the lower bound per token, in the paper's form (SPG, arXiv
   * 2510.09541, section 4.2), from `samples` random masks of each completion and an unmasked prompt.
   */
  async gap(
    completions: readonly ScoredCompletion[],
    { beta, samples, seed, signal }: { beta: number; samples: number; seed: number; signal?: AbortSignal | undefined },
  ): Promise<number> {
    let sum = 0;
    const rows = rowsThatFit(this.#model.config, longestOf(completions));
    const perPass = Math.min(completionsPerPass, Math.max(1, Math.floor(rows / samples)));
    for (let start = 0; start < completions.length; start += perPass) {
      signal?.throwIfAborted();
      const part = completions.slice(start, start + perPass);
      const masks = part.map(({ prompt, tokens, length }, index) => {
        const random = new Random(seed, 'gap', start + index);
        return Array.from({ length: samples }, () => {
          const masked = new Uint8Array(prompt.length + tokens.length).fill(1, prompt.length + length);
          masked.set(maskExactCount(length, random).masked, prompt.length);
          return masked;
        });
      });
      const bounds = await this.fromMasks(part, masks, { estimator: 'paper', beta });
      bounds.forEach(({ elbo, eubo }, index) => {
        sum += (eubo - elbo) / part[index]!.length;
      });
    }
    return sum / completions.length;
  }

  async dispose(): Promise<void> {
    await this.#trainer.dispose();
  }
}

const completionsPerPass = 32;

const longestOf = (completions: readonly ScoredCompletion[]) => ({
  length: Math.max(
    ...completions.map(({ prompt, tokens, suffix }) => prompt.length + tokens.length + (suffix?.length ?? 0)),
  ),
  answer: Math.max(...completions.map(({ tokens }) => tokens.length)),
});
