import { z } from 'zod';
import { defaultJobSettings } from '../protocol/default-settings.ts';

/** The settings that all training jobs share: what a run keeps, and where it is logged. */
export const runSettings = {
  keep_checkpoints: z
    .int()
    .min(1)
    .default(defaultJobSettings.keepCheckpoints)
    .describe('How many recent checkpoints to keep, in addition to the best one'),
  log_to: z
    .enum(['none', 'tensorboard'])
    .default('none')
    .describe('tensorboard: the run also writes its events and samples for TensorBoard, to its folder tensorboard'),
} as const;
