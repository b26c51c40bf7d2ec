import { z } from 'zod';
import { revealOrders } from '../diffusion/reveal-rules.ts';

/** The settings of the order in which tokens are revealed, for rollouts and for evaluations. */
export const revealSettings = {
  order: z
    .enum(revealOrders)
    .default('confidence')
    .describe(
      'Which tokens are revealed first; confidence and random: a fixed number of steps; threshold, factor and entropy: in each step as many as the setting for that limit allows',
    ),
  threshold: z.number().gt(0).max(1).default(0.9).describe('Confidence above which `order=threshold` reveals a token'),
  factor: z
    .number()
    .gt(0)
    .max(100)
    .default(1)
    .describe(
      '`order=factor` reveals the n most confident tokens if (n + 1)(1 - lowest confidence) is at most this (arXiv 2505.22618)',
    ),
  entropy_bound: z
    .number()
    .min(0)
    .max(100)
    .default(0.1)
    .describe(
      'Sum of entropies, in nats and without the largest, up to which `order=entropy` reveals tokens together (arXiv 2505.24857)',
    ),
} as const;
