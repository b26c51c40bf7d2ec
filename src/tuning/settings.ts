import { z } from 'zod';
import { infillingChoices } from '../evaluation/answers.ts';
import { loraTargets } from '../model/lora.ts';
import { precisions } from '../model/precision.ts';
import { defaultJobSettings } from '../protocol/default-settings.ts';
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
  infilling: z
    .enum(infillingChoices)
    .default('auto')
    .describe(
      'How completions that fill gaps are decoded: as in an editor (token healing, end of the middle), or as a canvas whose tokens are all predicted; auto: as in an editor for workspace if the objective can',
    ),
  // Reward
  reward: z.string().nullable().default(null).describe("Name of the task's reward; null: its first"),
  task_options: z
    .record(z.string(), z.json())
    .default({})
    .describe("Options of the task's problem generator, as JSON; held-out problems are made with them too"),
  // The policy gradient
  estimator: z
    .enum(['released', 'paper'])
    .default('released')
    .describe("Form of SPG's bounds: per-token means as in its released code, or the paper's sums"),
  upper_bound: z
    .enum(['log', 'loose'])
    .default('log')
    .describe("Form of SPG's upper bound: the log of a mean, or the looser bound without a logarithm"),
  beta: z.number().min(1).max(100).default(1).describe('Order of the evidence upper bound, at least 1 for a bound'),
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
    .describe(
      'Completions per forward and backward pass at most, fewer where texts are long; changes memory and speed only',
    ),
  // Methods that compare with other policies; null: the method's own value
  reference: z
    .enum(['base', 'none'])
    .default('base')
    .describe('What a divergence or a relative score is taken from: the model that the run began with, or nothing'),
  reference_every: z
    .int()
    .min(0)
    .default(0)
    .describe('Steps after which the reference becomes the present policy; 0: never'),
  kl: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe("Weight of the divergence from the reference; null: the method's"),
  clip_low: z
    .number()
    .gt(0)
    .max(1)
    .nullable()
    .default(null)
    .describe("How far below 1 a ratio of policies counts; null: the method's"),
  clip_high: z
    .number()
    .gt(0)
    .nullable()
    .default(null)
    .describe("How far above 1 a ratio of policies counts; null: the method's"),
  preference_beta: z.number().positive().default(0.1).describe('Sharpness of the preferences of vrpo'),
  reward_beta: z.number().positive().default(10).describe("Inverse temperature of trafl's target, p exp(beta r)"),
  log_z: z
    .enum(['group', 'learned'])
    .default('group')
    .describe("log Z of trafl: its optimum for the group at hand, or a learnt table by the prompt's hash"),
  log_z_rate: z.number().positive().max(0.5).default(0.1).describe('Learning rate of the learnt log Z'),
  score_lambda: z.number().positive().default(0.01).describe('rspo regresses the relative score to advantage / lambda'),
  tilt_step: z.number().positive().default(5).describe('Step of the annealed tilt of dtm (h)'),
  tilt_steps: z.int().min(1).default(20).describe('Steps after which the teacher of dtm becomes the student'),
  control_variate: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe("How much of the teacher's distribution stands in the target of dtm (c)"),
  // Methods that follow the decoding trace
  trace_steps: z.int().min(1).default(8).describe('Denoising steps of a completion that are trained on (K)'),
  trace_lambda: z
    .number()
    .min(0)
    .default(0.5)
    .describe('How much the reward of filling a state greedily counts in egspo-sa'),
  inner: z.string().default('spg-mixture').describe('The objective to which dispo adds its branch loss'),
  branches: z.int().min(2).max(64).default(2).describe('Completions that dispo fills a state with (Z)'),
  branch_weight: z.number().min(0).default(0.5).describe("Weight of dispo's loss beside that of the inner objective"),
  branch_lateness: z
    .number()
    .min(0)
    .default(4)
    .describe('dispo picks a state at progress s with probability proportional to s to this power'),
  edit_passes: z.int().min(1).max(16).default(1).describe('Passes in which autoedit edits its draft'),
  edit_threshold: z.number().gt(0).lt(1).default(0.5).describe('Confidence above which autoedit replaces a token'),
  repair_steps: z
    .int()
    .min(0)
    .default(10)
    .describe('First steps in which autoedit learns to repair corrupted texts under supervision'),
  // What is trained
  adapter: z
    .enum(['none', 'lora'])
    .default('none')
    .describe('What is trained: all weights, or a low-rank adapter beside weights that stay as they are'),
  lora_r: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "Rank of the adapter; null: 128, or as much as the model's matrices have; that of an adapter that is tuned on",
    ),
  lora_alpha: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe('The adapter is scaled by alpha / rank; null: half the rank; that of an adapter that is tuned on'),
  lora_target_modules: z
    .union([z.array(z.string()), z.string()])
    .nullable()
    .default(null)
    .describe(
      `Projections that the adapter stands beside, of ${loraTargets.join(', ')}; null: all; those of an adapter that is tuned on`,
    ),
  base_precision: z
    .enum(precisions)
    .nullable()
    .default(null)
    .describe(
      "How exactly the projections beside which an adapter is trained are kept: f32, or blocks of 32 numbers of 8 or 4 bits; null: f32; an adapter's own",
    ),
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
  keep_checkpoints: z
    .int()
    .min(1)
    .default(defaultJobSettings.keepCheckpoints)
    .describe('Newest checkpoints that are kept; the best is kept besides'),
});

export type FullTuningSettings = z.infer<typeof tuningSettings>;

/** Settings with the model's and the task's own values filled in, as an objective sees them. */
export type TuningSettings = FullTuningSettings & { readonly block: number; readonly length: number };
