import { z } from 'zod';
import type { OptimizerOptions } from '../graph/optimizer.ts';

/** Settings of the optimiser, the same for supervised training and policy gradients. */
export const optimizerSettings = {
  optimizer: z
    .enum(['adamw', 'muon'])
    .default('adamw')
    .describe("AdamW for all weights, or Muon for the layers' projections and AdamW for the rest"),
  learning_rate: z.number().positive().max(1).describe('Peak learning rate'),
  warmup_steps: z.int().nonnegative().describe('Updates over which the learning rate rises from 0'),
  lr_schedule: z
    .enum(['constant', 'linear', 'cosine'])
    .default('constant')
    .describe('How the learning rate falls after the warm-up'),
  lr_floor: z
    .number()
    .min(0)
    .max(1)
    .default(0.1)
    .describe('Share of the peak learning rate that a falling schedule ends at'),
  adam_beta1: z.number().min(0).lt(1).default(0.9).describe("AdamW's decay of the first moment"),
  adam_beta2: z.number().min(0).lt(1).default(0.99).describe("AdamW's decay of the second moment"),
  adam_epsilon: z.number().positive().default(1e-8).describe("AdamW's guard against division by zero"),
  weight_decay: z.number().min(0).max(1).default(0.1).describe('Decoupled weight decay of matrices'),
  max_grad_norm: z.number().min(0).describe('Global norm that gradients are clipped to; 0 leaves them'),
};

export type OptimizerSettings = z.infer<z.ZodObject<typeof optimizerSettings>>;

/**
 * The optimiser of these settings for parameters of these names; `updates` is when a falling schedule arrives at its floor.
 */
export function optimizerOf(
  settings: OptimizerSettings,
  parameters: Iterable<string>,
  updates: number,
): OptimizerOptions {
  return {
    ...(settings.optimizer === 'muon' ? { muon: new Set([...parameters].filter(isProjection)) } : {}),
    beta1: settings.adam_beta1,
    beta2: settings.adam_beta2,
    epsilon: settings.adam_epsilon,
    weightDecay: settings.weight_decay,
    maxGradNorm: settings.max_grad_norm,
    schedule: {
      learningRate: settings.learning_rate,
      warmup: settings.warmup_steps,
      decay: settings.lr_schedule,
      steps: updates,
      floor: settings.lr_floor,
    },
  };
}

/** A matrix between two layers of numbers; not embeddings or head, whose rows are tokens, and not an adapter's factors. */
const isProjection = (name: string): boolean => name.endsWith('_proj.weight');
