import { z } from 'zod';
import type { OptimizerOptions } from '../graph/optimizer.ts';

/** Settings of the optimiser, shared by supervised training and policy gradients. */
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
    .describe('Final learning rate of a falling schedule, as a share of the peak'),
  adam_beta1: z.number().min(0).lt(1).default(0.9).describe("AdamW's decay of the first moment"),
  adam_beta2: z.number().min(0).lt(1).default(0.99).describe("AdamW's decay of the second moment"),
  adam_epsilon: z.number().positive().default(1e-8).describe("AdamW's term against division by zero"),
  weight_decay: z.number().min(0).max(1).default(0.1).describe('Decoupled weight decay of matrices'),
  max_grad_norm: z.number().min(0).describe('Global norm to which gradients are clipped; 0 disables clipping'),
};

export type OptimizerSettings = z.infer<z.ZodObject<typeof optimizerSettings>>;

/**
 * Optimiser options from the settings, for parameters of these names. `updates`: the update at which a falling
 * schedule reaches its floor.
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

/**
 * Whether a weight is a projection. Embeddings and the head, whose rows are tokens, and an adapter's factors are not.
 */
const isProjection = (name: string): boolean => name.endsWith('_proj.weight');
