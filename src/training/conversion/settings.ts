import { z } from 'zod';
import { precisions } from '../../model/precision.ts';
import { UsageError } from '../../platform/errors.ts';
import { defaultJobSettings } from '../../protocol/default-settings.ts';
import { optimizerSettings } from '../optimizer-settings.ts';

/** The name of the recipe: `unmask pretrain --recipe convert`. */
export const conversionRecipe = 'convert';

const share = z.number().min(0).max(1);
const tokenName = z.string().min(1).nullable().default(null);

/** All settings of a conversion, as `--set NAME=VALUE` takes them. */
export const conversionSettings = z.strictObject({
  lora_r: z.int().min(1).default(32).describe('Rank of the adapter on all projections'),
  lora_alpha: z.number().positive().default(32).describe('The adapter is scaled by alpha / rank'),
  base_precision: z
    .enum(precisions)
    .default('f32')
    .describe('Precision of the frozen base during training; w8a8 computes its forward products on 8-bit integers'),
  mask_token: tokenName.describe('Reserved token of the base that becomes the mask; null: a known one'),
  eom_token: tokenName.describe('Reserved token of the base that becomes the end of the middle; null: a known one'),
  prefix_token: tokenName.describe('Token between suffix and prefix; null: the end-of-text token'),
  row_length: z.int().min(16).max(8192).default(512).describe('Tokens of a packed row, canvases included'),
  rows_per_step: z.int().min(1).default(4).describe('Packed rows per step'),
  predictions: z
    .int()
    .min(8)
    .default(384)
    .describe(
      'Maximum number of predictions per row; if a row has more, the first ones of the autoregressive loss are left out',
    ),
  canvas_room: z.int().min(0).default(192).describe('Tokens of a row that its canvases may take'),
  block_growth: z
    .string()
    .default('1:0.3,4:0.1,16:0.2,32:0.4')
    .describe(
      'Block sizes in training and their shares of the steps (LLaDA 2.0, arXiv 2512.15745); 1 is the autoregressive loss alone',
    ),
  causal_weight: z
    .number()
    .min(0)
    .default(1)
    .describe('Weight of the autoregressive loss, relative to the denoising loss (arXiv 2607.05722)'),
  denoising_weight: z.number().min(0).default(1).describe('Weight of the denoising loss'),
  mask_rate_warmup: share
    .default(0.1)
    .describe('Share of the denoising steps over which the mask rate rises to 1 (Stable-DiffCoder, arXiv 2601.15892)'),
  all_masked: share
    .default(0.25)
    .describe('Share of canvases that are masked completely, as at the beginning of decoding'),
  complementary_masks: z
    .boolean()
    .default(true)
    .describe('Whether each masking is followed by its complement (LLaDA 2.0, arXiv 2512.15745)'),
  elbo_weight: z
    .boolean()
    .default(false)
    .describe(
      'Whether tokens have the weight 1 / t of the ELBO with block-clipped noise (arXiv 2601.15892) after the warm-up',
    ),
  mask_noise: z
    .number()
    .min(0)
    .default(0.02)
    .describe('Standard deviation of noise on the mask embedding in the first steps (arXiv 2512.15745); 0: none'),
  mask_noise_steps: z.int().min(0).default(50).describe('Denoising steps with noise on the mask embedding'),
  ...optimizerSettings,
  learning_rate: optimizerSettings.learning_rate.default(5e-4),
  warmup_steps: optimizerSettings.warmup_steps.default(20),
  lr_schedule: optimizerSettings.lr_schedule.default('linear'),
  weight_decay: optimizerSettings.weight_decay.default(0),
  max_grad_norm: optimizerSettings.max_grad_norm.default(1),
  evaluate_every: z
    .int()
    .min(0)
    .default(50)
    .describe('Steps between two evaluations; 0: only at the beginning and the end'),
  evaluation_rows: z.int().min(1).default(16).describe('Packed rows of held-out packages on which losses are measured'),
  checkpoint_every: z.int().min(0).default(25).describe('Steps between two checkpoints; 0: only at the end'),
  keep_checkpoints: z
    .int()
    .min(1)
    .default(defaultJobSettings.keepCheckpoints)
    .describe('How many recent checkpoints to keep, in addition to the best one'),
});

export type ConversionSettings = z.infer<typeof conversionSettings>;

/** A request for a conversion. */
export interface ConversionRequest {
  /** The autoregressive base: a name or a folder. */
  readonly from: string;
  /** Folder of the resulting adapter. */
  readonly output: string;
  readonly steps: number;
  readonly seed: number;
  readonly settings: ConversionSettings;
}

/** A part of the training, with one block size. */
interface Stage {
  readonly block: number;
  readonly from: number;
  readonly to: number;
}

/** The stages of `block_growth` as fractions of all steps. Throws a `UsageError` if the setting is not valid. */
export function stagesOf(growth: string): Stage[] {
  const parts = growth.split(',').map((part) => part.split(':').map(Number));
  const isValid = parts.every(
    ([block, size, ...rest]) =>
      rest.length === 0 && Number.isInteger(block) && (block as number) >= 1 && (size as number) > 0,
  );
  const sum = parts.reduce((total, [, size]) => total + (size as number), 0);
  if (!isValid || Math.abs(sum - 1) > 1e-6)
    throw new UsageError(
      `Setting block_growth = ${growth} must list block sizes with shares that add up to 1, such as 1:0.3,4:0.1,16:0.2,32:0.4.`,
    );
  let from = 0;
  return parts.map(([block, size]) => {
    const stage = { block: block as number, from, to: from + (size as number) };
    from = stage.to;
    return stage;
  });
}

/** How a step masks its canvases. */
export interface StepPlan {
  /** The sizes of blocks that canvases may have; empty: no canvases. The last one is the stage's own. */
  readonly blocks: readonly number[];
  readonly mostMasked: number;
  /** Whether the mask-rate warm-up is over. */
  readonly warm: boolean;
  /** Standard deviation of the noise on the mask embedding. */
  readonly noise: number;
}

/** The plan of step `step` (from 1) of `steps`. */
export function planOf(step: number, steps: number, settings: ConversionSettings): StepPlan {
  const stages = stagesOf(settings.block_growth);
  const progress = (step - 1) / steps;
  const current = stages.findIndex(({ to }) => progress < to - 1e-9);
  const reached = current === -1 ? stages : stages.slice(0, current + 1);
  const first = stages.find(({ block }) => block > 1);
  const begin = first ? Math.ceil(first.from * steps) : steps;
  const warmup = settings.mask_rate_warmup * (steps - begin);
  const rate = Math.min(1, (step - begin) / Math.max(1, warmup));
  const isCausal = (reached.at(-1) as Stage).block === 1;
  return {
    blocks: isCausal ? [] : reached.flatMap(({ block }) => (block > 1 ? [block] : [])),
    mostMasked: Math.max(1e-3, rate),
    warm: rate >= 1,
    noise: step - begin <= settings.mask_noise_steps ? settings.mask_noise : 0,
  };
}
