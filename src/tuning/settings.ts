import { z } from 'zod';
import { optimizerSettings } from '../training/optimizer-settings.ts';

/** Every hyper-parameter of a tuning run: what `--set NAME=VALUE` takes, with its range, default and meaning. */
export const tuningSettings = z.strictObject({
  // Rollouts
  prompts_per_step: z.int().min(1).max(4096).default(16).describe('Problems rolled out for one step'),
  group_size: z.int().min(2).max(1024).default(6).describe('Completions of one problem, compared with each other'),
  temperature: z.number().min(0).max(10).default(0.9).describe('Sampling temperature of rollouts'),
  order: z
    .enum(['confidence', 'random', 'threshold'])
    .default('confidence')
    .describe('Which tokens a rollout reveals first'),
  threshold: z.number().gt(0).max(1).default(0.9).describe('Confidence above which `order=threshold` reveals a token'),
  length: z.int().positive().nullable().default(null).describe("Tokens of a completion; null: the task's"),
  block: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Block of semi-autoregressive decoding and of block-wise masking; null: the model's"),
  decoding_steps: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Denoising steps of a rollout; null: the model's tokens per step"),
  // Reward
  reward: z.string().nullable().default(null).describe("Name of the task's reward; null: its first"),
  task_options: z.record(z.string(), z.json()).default({}).describe("Options of the task's problem generator, as JSON"),
  // The policy gradient
  estimator: z
    .enum(['released', 'paper'])
    .default('released')
    .describe("Form of SPG's bounds: per-token means as in its released code, or the paper's sums"),
  beta: z.number().positive().max(100).default(1).describe('Order of the evidence upper bound, at least 1 for a bound'),
  omega: z.number().min(0).max(1).default(0.5).describe('Share of the upper bound in the mixture for bad completions'),
  mask_samples: z.int().min(1).max(64).default(2).describe('Masked versions of a completion (m)'),
  masking: z
    .enum(['all', 'random', 'block-all', 'block-random'])
    .default('block-random')
    .describe('How those versions are masked'),
  clean_token_masking: z
    .number()
    .min(0)
    .lt(1)
    .default(0.15)
    .describe('Probability with which a token outside the block is masked too'),
  inner_updates: z
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('Updates on one set of rollouts, each with fresh masks (mu)'),
  micro_batch: z
    .int()
    .min(1)
    .max(4096)
    .default(48)
    .describe('Completions per forward and backward pass; changes memory and speed only'),
  // Optimiser
  ...optimizerSettings,
  learning_rate: optimizerSettings.learning_rate.default(3e-5),
  warmup_steps: optimizerSettings.warmup_steps.default(20),
  max_grad_norm: optimizerSettings.max_grad_norm.default(0.2),
  // The run
  evaluate_every: z
    .int()
    .min(0)
    .default(20)
    .describe('Steps between two evaluations on validation problems; 0: only at the ends'),
  evaluation_problems: z.int().min(1).default(64).describe('Validation problems of an evaluation'),
  checkpoint_every: z.int().min(0).default(20).describe('Steps between two checkpoints; 0: only at the end'),
  keep_checkpoints: z.int().min(1).default(3).describe('Newest checkpoints that are kept; the best is kept besides'),
});

export type FullTuningSettings = z.infer<typeof tuningSettings>;

/** Settings with the model's and the task's own values filled in, as an objective sees them. */
export type TuningSettings = FullTuningSettings & { readonly block: number; readonly length: number };
