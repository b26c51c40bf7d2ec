import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type PretrainingRequest, pretrainingSettings } from '../../src/training/pretrain.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import type { TuningRequest } from '../../src/tuning/tuning-request.ts';

export const temporaryFolder = (): Promise<string> => mkdtemp(path.join(tmpdir(), 'unmask-training-'));

/** Six short steps on Sudokus, with evaluations and checkpoints in between. */
export function tinyTuning(model: string, changes: Partial<TuningRequest> = {}, settings: object = {}): TuningRequest {
  return {
    task: 'sudoku4x4',
    objective: 'spg-mixture',
    model,
    steps: 6,
    timeLimit: null,
    seed: 3,
    data: null,
    testProblems: 2,
    settings: tuningSettings.parse({
      prompts_per_step: 2,
      group_size: 3,
      inner_updates: 2,
      micro_batch: 4,
      learning_rate: 1e-3,
      warmup_steps: 2,
      lr_schedule: 'cosine',
      evaluate_every: 2,
      evaluation_problems: 2,
      checkpoint_every: 2,
      ...settings,
    }),
    ...changes,
  };
}

/** The smallest preset, with two examples per step. */
export function tinyPretraining(output: string, changes: Partial<PretrainingRequest> = {}): PretrainingRequest {
  return {
    recipe: 'puzzles',
    from: null,
    output,
    steps: 4,
    seed: 3,
    settings: pretrainingSettings.parse({
      preset: 'nano-0.5m',
      batch_size: 2,
      learning_rate: 1e-3,
      warmup_steps: 2,
      max_grad_norm: 1,
      evaluate_every: 0,
      evaluation_problems: 1,
      checkpoint_every: 2,
    }),
    ...changes,
  };
}
