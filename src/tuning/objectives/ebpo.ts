/**
 * EBPO, the ELBO-based block policy optimisation of LLaDA 2.1 (arXiv 2602.08676): a clipped ratio of block ELBOs. All
 * blocks of a completion are computed in one pass over [clean text ; masked copy] with the block-causal rule M, in
 * which a masked block attends to the prompt and to earlier clean blocks,
 *
 *     log rho = sum_n w_n sum_b ( log p(y^b | z_n, x; M) - log p_old(y^b | z_n, x; M) )
 *
 * z_n masks l ~ U{1..B} of the B tokens of every block, and w_n = B / (l m) for each of the m noise levels, so that
 * the sum is the block-causal ELBO. Uncertain: the report specifies neither w_n nor clipping, nor whether the ratio is
 * per token; clipping is 0.2, and `mask_samples` noise levels are drawn. This pass equals decoding exactly only for a
 * model whose prompt does not attend to the canvas (`prefix-lm`), with one block. A model with full attention decodes
 * with the canvas visible to the prompt and with masks after the block, so tuning and decoding
 * use different contexts. Models with shifted logits cannot use the doubled layout and are rejected.
 */
import { randomMask } from '../../diffusion/masking.ts';
import { UsageError } from '../../platform/errors.ts';
import type { Random } from '../../platform/random.ts';
import type { Batch } from '../../training/trainer.ts';
import type { CompletionText } from '../likelihoods/elbo-views.ts';
import { type ScoredSequence, sequenceBatch, type View } from '../likelihoods/scored-sequences.ts';
import { clippedObjective, withSignal } from './clipped-method.ts';
import type { MethodRun, Objective } from './objective.ts';

const clipped = clippedObjective(
  {
    name: 'ebpo',
    unit: 'sequence',
    penalty: 'k3',
    logProbs: 'model',
    defaults: { low: 0.2, high: 0.2, kl: 0 },
    batchOf: (sequences, pad, { settings }: MethodRun) => doubledBatch(sequences, pad, settings),
    terms(rollouts, inner, { settings, specialTokens }, kl) {
      const random = rollouts.random('masks', inner);
      const promptLength = Math.max(...rollouts.completions.map((completion) => completion.prompt.length));
      return withSignal(rollouts, kl).map((completion) => ({
        sequence: Array.from({ length: settings.mask_samples }, () =>
          doubledView(completion, { ...settings, ...specialTokens, promptLength, random }),
        ),
        advantage: completion.advantage,
        weights: 1 / rollouts.completions.length,
      }));
    },
  },
  { paper: 'arXiv 2602.08676', description: 'LLaDA 2.1: clipped ratio of block ELBOs from one doubled pass' },
);

export const ebpo: Objective = {
  ...clipped,
  check(settings, config) {
    clipped.check?.(settings, config);
    if (config.logit_shift)
      throw new UsageError(
        'ebpo puts a completion twice into one row, which models with shifted logits do not support; choose another objective or model.',
      );
    if (config.attention === 'prefix-lm' || config.attention === 'causal-context')
      throw new UsageError(
        'ebpo puts a completion twice into one row, which leaves no place for the suffix of a model that fills gaps; choose another objective or model.',
      );
  },
};

interface DoublingOptions {
  /** The length to which every prompt is padded on its left. */
  readonly promptLength: number;
  readonly block: number;
  readonly mask_samples: number;
  readonly mask: number;
  readonly pad: number;
  readonly random: Random;
}

/**
 * A completion twice, with the copy masked block by block. Rotary positions are relative, so padding changes nothing.
 */
export function doubledView(
  text: CompletionText,
  { promptLength, block, mask_samples: samples, mask, pad, random }: DoublingOptions,
): View {
  const { tokens: completion, length } = text;
  const leftPadding = promptLength - text.prompt.length;
  const copy = Int32Array.from(completion);
  copy.fill(mask, length);
  const weights = new Float32Array(completion.length);
  for (let start = 0; start < length; start += block) {
    const size = Math.min(block, length - start);
    const count = 1 + random.integer(size);
    randomMask(size, count, random).forEach((isMasked, offset) => {
      if (!isMasked) return;
      copy[start + offset] = mask;
      weights[start + offset] = size / count / samples;
    });
  }
  return {
    tokens: [...new Int32Array(leftPadding).fill(pad), ...text.prompt, ...completion, ...copy],
    leftPadding,
    promptLength,
    firstTarget: promptLength + completion.length,
    targets: completion,
    weights,
    ...(text.constraints ? { constraints: text.constraints } : {}),
  };
}

export function doubledBatch(sequences: readonly ScoredSequence[], pad: number, { block }: { block: number }): Batch {
  const { promptLength, targets } = sequences[0]![0] as View;
  return { ...sequenceBatch(sequences, pad), doubled: { prompt: promptLength, length: targets.length, block } };
}
