import { z } from 'zod';
import { infillingChoices } from '../evaluation/answers.ts';
import { revealSettings } from '../evaluation/reveal-settings.ts';
import { loraTargets } from '../model/lora.ts';
import { precisions } from '../model/precision.ts';
import { defaultJobSettings } from '../protocol/default-settings.ts';
import { optimizerSettings } from '../training/optimizer-settings.ts';

/** All hyper-parameters of a tuning run, as `--set NAME=VALUE` takes them, with range, default and meaning. */
export const tuningSettings = z.strictObject({
  // Rollouts
  prompts_per_step: z.int().min(1).max(4096).default(16).describe('Number of problems per step'),
  group_size: z
    .int()
    .min(2)
    .max(1024)
    .default(6)
    .describe('Completions sampled per problem; their rewards are compared with each other'),
  temperature: z.number().min(0).max(10).default(0.9).describe('Sampling temperature of rollouts'),
  ...revealSettings,
  length: z.int().positive().nullable().default(null).describe("Tokens per completion; null: the task's default"),
  block: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Block length of semi-autoregressive decoding and of block-wise masking; null: the model's default"),
  decoding_steps: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe("Denoising steps per rollout; null: the length divided by the model's tokens per step"),
  infilling: z
    .enum(infillingChoices)
    .default('auto')
    .describe(
      'How completions that fill gaps are decoded; editor: as in an editor, with token healing and an end of the middle; canvas: all tokens of the canvas are predicted; auto: editor for the task workspace if model and objective support it, otherwise canvas',
    ),
  rollout_batch: z
    .enum(['step', 'group'])
    .default('step')
    .describe(
      'Completions generated in one batch: step: those of all problems of a step, or of a quarter of them if rewards run tests; group: those of one problem, as runs with `--workers` always do',
    ),
  staleness: z
    .int()
    .min(0)
    .max(8)
    .default(0)
    .describe(
      'With `--workers`: number of steps by which the policy that generates rollouts is older than the one that is trained, so that workers generate during updates; 0 computes what one machine computes',
    ),
  stale_without_ratio: z
    .boolean()
    .default(false)
    .describe('Allow `staleness` above 0 for methods without an importance ratio, whose gradients older rollouts bias'),
  // Reward
  reward: z.string().nullable().default(null).describe("Name of one of the task's rewards; null: the first"),
  curriculum: z
    .boolean()
    .default(true)
    .describe('Train on parts of the solutions first, from small to large, for tasks that divide them (workspace)'),
  trial_attempts: z
    .int()
    .min(0)
    .max(4096)
    .default(32)
    .describe(
      'Completions generated before the first step to judge whether tuning is worth it, if rewards run tests; 0: none',
    ),
  task_options: z
    .record(z.string(), z.json())
    .default({})
    .describe("Options of the task's problem generator, as JSON; they also apply to held-out problems"),
  // The policy gradient
  estimator: z
    .enum(['released', 'paper'])
    .default('released')
    .describe("Form of SPG's bounds: per-token means as in the released code, or sums as in the paper"),
  upper_bound: z
    .enum(['log', 'loose'])
    .default('log')
    .describe("Form of SPG's upper bound: the log of a mean, or the looser bound without a logarithm"),
  beta: z
    .number()
    .min(1)
    .max(100)
    .default(1)
    .describe('Order of the evidence upper bound; it is a bound for values of at least 1'),
  omega: z.number().min(0).max(1).default(0.5).describe('Weight of the upper bound in the mixture for bad completions'),
  mask_samples: z.int().min(1).max(64).default(2).describe('Masked versions per completion (m)'),
  masking: z
    .enum(['all', 'random', 'block-all', 'block-random'])
    .default('block-random')
    .describe('How completions are masked for the bounds'),
  clean_token_masking: z
    .number()
    .min(0)
    .lt(1)
    .default(0.15)
    .describe('Probability with which each token of the prompt and of earlier blocks is masked as well'),
  inner_updates: z.int().min(1).max(64).default(4).describe('Updates per set of rollouts, each with new masks (mu)'),
  micro_batch: z
    .int()
    .min(1)
    .max(4096)
    .default(48)
    .describe(
      'Maximum number of completions per forward and backward pass; fewer if texts are long. Changes only memory and speed',
    ),
  // Methods that compare the policy with another one; null: the method's default
  reference: z
    .enum(['base', 'none'])
    .default('base')
    .describe('Reference policy for divergences and relative scores: the model that the run started from, or none'),
  reference_every: z
    .int()
    .min(0)
    .default(0)
    .describe('Number of steps after which the current policy becomes the reference; 0: never'),
  kl: z
    .number()
    .min(0)
    .nullable()
    .default(null)
    .describe("Weight of the divergence from the reference; null: the method's default"),
  clip_low: z
    .number()
    .gt(0)
    .max(1)
    .nullable()
    .default(null)
    .describe("The policy ratio is clipped to at least 1 minus this value; null: the method's default"),
  clip_high: z
    .number()
    .gt(0)
    .nullable()
    .default(null)
    .describe("The policy ratio is clipped to at most 1 plus this value; null: the method's default"),
  preference_beta: z
    .number()
    .positive()
    .default(0.1)
    .describe('Scale of the log-ratios in the preference loss of vrpo (beta)'),
  reward_beta: z.number().positive().default(10).describe("Inverse temperature of trafl's target, p exp(beta r)"),
  log_z: z
    .enum(['group', 'learned'])
    .default('group')
    .describe(
      'log Z of trafl; group: the optimum for the current group; learned: a learned table indexed by a hash of the prompt',
    ),
  log_z_rate: z.number().positive().max(0.5).default(0.1).describe('Learning rate of the learned log Z'),
  score_lambda: z
    .number()
    .positive()
    .default(0.01)
    .describe('lambda of rspo, which regresses the relative score to advantage / lambda'),
  tilt_step: z.number().positive().default(5).describe('Step of the annealed tilt of dtm (h)'),
  tilt_steps: z.int().min(1).default(20).describe('Steps after which the teacher of dtm becomes the student'),
  control_variate: z
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe("Weight of the teacher's distribution in the target of dtm (c)"),
  // Methods that train on the decoding trace
  trace_steps: z.int().min(1).default(8).describe('Number of denoising steps per completion to train on (K)'),
  trace_lambda: z.number().min(0).default(0.5).describe('Weight of the reward of greedily filled states in egspo-sa'),
  inner: z.string().default('spg-mixture').describe('The objective to which dispo adds its branch loss'),
  branches: z.int().min(2).max(64).default(2).describe('Completions that dispo samples per state (Z)'),
  branch_weight: z
    .number()
    .min(0)
    .default(0.5)
    .describe("Weight of dispo's branch loss relative to the inner objective"),
  branch_lateness: z
    .number()
    .min(0)
    .default(4)
    .describe('dispo samples a state at progress s with probability proportional to s to this power'),
  edit_passes: z.int().min(1).max(16).default(1).describe('Passes in which autoedit edits its draft'),
  edit_threshold: z.number().gt(0).lt(1).default(0.5).describe('Confidence above which autoedit replaces a token'),
  repair_steps: z
    .int()
    .min(0)
    .default(10)
    .describe('Number of steps at the start in which autoedit learns with supervision to repair corrupted texts'),
  // What is trained
  adapter: z
    .enum(['none', 'lora'])
    .default('none')
    .describe('Which weights are trained: all of them, or a low-rank adapter while the base weights stay fixed'),
  lora_r: z
    .int()
    .positive()
    .nullable()
    .default(null)
    .describe(
      "Rank of the adapter; null: 128, at most the smaller dimension of the model's matrices, or the rank of the adapter that the run starts from",
    ),
  lora_alpha: z
    .number()
    .positive()
    .nullable()
    .default(null)
    .describe(
      'The adapter is scaled by alpha / rank; null: half the rank, or the alpha of the adapter that the run starts from',
    ),
  lora_target_modules: z
    .union([z.array(z.string()), z.string()])
    .nullable()
    .default(null)
    .describe(
      `Projections with an adapter, from ${loraTargets.join(', ')}; null: all, or those of the adapter that the run starts from`,
    ),
  base_precision: z
    .enum(precisions)
    .nullable()
    .default(null)
    .describe(
      'Precision of the fixed projections that an adapter is trained for: f32, or 8 or 4 bits in quantization blocks of 32 numbers; null: f32, or the precision of the adapter that the run starts from',
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
    .describe('Steps between two evaluations on validation problems; 0: only at the beginning and the end'),
  evaluation_problems: z.int().min(1).default(64).describe('Number of validation problems per evaluation'),
  checkpoint_every: z.int().min(0).default(20).describe('Steps between two checkpoints; 0: only at the end'),
  keep_checkpoints: z
    .int()
    .min(1)
    .default(defaultJobSettings.keepCheckpoints)
    .describe('How many recent checkpoints to keep, in addition to the best one'),
  log_to: z
    .enum(['none', 'tensorboard'])
    .default('none')
    .describe('tensorboard: the run also writes its events and samples for TensorBoard, to its folder tensorboard'),
});

export type FullTuningSettings = z.infer<typeof tuningSettings>;

/** Settings in which the defaults of the model and the task are filled in, as an objective gets them. */
export type TuningSettings = FullTuningSettings & { readonly block: number; readonly length: number };
