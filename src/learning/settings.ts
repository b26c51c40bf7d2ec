import { z } from 'zod';
import { defaultJobSettings } from '../protocol/default-settings.ts';
import { optimizerSettings } from '../training/optimizer-settings.ts';

/** All settings of learning a workspace, as `--set NAME=VALUE` takes them. */
export const learningSettings = z.strictObject({
  batch_size: z.int().min(1).max(1024).default(16).describe('Texts per step'),
  length: z.int().min(16).max(4096).default(256).describe('Tokens of each text'),
  text_every: z
    .int()
    .min(1)
    .default(4)
    .describe('One step in this many trains on plain texts, the others on texts with gaps'),
  adapter_above: z
    .number()
    .min(0)
    .default(1e8)
    .describe('A model with more parameters learns an adapter; a smaller one learns all weights'),
  lora_r: z.int().min(1).default(16).describe('Rank of the adapter'),
  ...optimizerSettings,
  learning_rate: optimizerSettings.learning_rate.default(5e-4),
  warmup_steps: optimizerSettings.warmup_steps.default(10),
  max_grad_norm: optimizerSettings.max_grad_norm.default(1),
  gaps: z.int().min(2).default(1000).describe('Gaps in held-out files on which the model must be better to be kept'),
  elsewhere_gaps: z.int().min(0).default(100).describe('Gaps in other code, which show what the model forgot; 0: none'),
  checkpoint_every: z.int().min(0).default(100).describe('Steps between two checkpoints; 0: only at the end'),
  keep_checkpoints: z
    .int()
    .min(1)
    .default(defaultJobSettings.keepCheckpoints)
    .describe('How many recent checkpoints to keep, in addition to the best one'),
});

export type LearningSettings = z.infer<typeof learningSettings>;
