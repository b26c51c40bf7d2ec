import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { HostTensor } from '../graph/tensor.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { readSafetensors, writeSafetensors } from '../model/safetensors.ts';
import { UserError } from '../platform/errors.ts';
import { readJson, writeJson } from '../platform/files.ts';
import { replaceWithDigest } from '../platform/folder-digests.ts';
import { latestCheckpoint, retainCheckpoints } from '../runs/checkpoints.ts';
import { stepOf } from '../runs/layout.ts';
import type { RunWriter } from '../runs/writer.ts';
import { resumableState, trainingState } from './trainer.ts';

const progressSchema = z.object({
  step: z.int().nonnegative(),
  /** Seconds of training, without evaluations and checkpoints. */
  seconds: z.number().nonnegative(),
  num_tokens: z.number().nonnegative(),
  best: z.object({ step: z.int(), score: z.number() }).nullable(),
});

/** `state.json` of a checkpoint: the progress of the training loop. */
export type TrainingProgress = z.infer<typeof progressSchema>;

export const freshProgress: TrainingProgress = { step: 0, seconds: 0, num_tokens: 0, best: null };

/** File of the method's state; absent if the method has no state. */
const methodFile = 'method.safetensors';
const optimizerFile = 'optimizer.safetensors';
const progressFile = 'state.json';

export interface TrainingState {
  readonly run: RunWriter;
  readonly model: LanguageModel;
  /** The method, whose state is saved if it has any. */
  readonly method: { state?(): Promise<ReadonlyMap<string, HostTensor>> };
  readonly progress: TrainingProgress;
  /** How many recent checkpoints to keep, in addition to the best; absent: 3. */
  readonly keepCheckpoints?: number;
}

/** Writes the checkpoint of the step in `progress`, with everything that is needed to continue training from it. */
export async function saveCheckpoint(state: TrainingState): Promise<void> {
  const { run, model, method, progress } = state;
  const { last: keep, best } = retained(state);
  await run.checkpoint(
    progress.step,
    async (folder) => {
      const optimizer = new Map<string, HostTensor>();
      for (const name of resumableState(model)) optimizer.set(name, await model.state.read(name));
      await writeSafetensors(path.join(folder, optimizerFile), optimizer);
      const carried = (await method.state?.()) ?? new Map();
      if (carried.size > 0) await writeSafetensors(path.join(folder, methodFile), carried);
      await writeJson(path.join(folder, progressFile), progress);
      await model.save(folder);
    },
    { keep, best },
  );
}

/**
 * Updates `state.json` of the checkpoint that has been written for the step in `progress`, and removes the checkpoints that are
 * no longer kept: another step may be the best one now, or a process was killed before it removed them.
 */
export async function noteProgress(state: Pick<TrainingState, 'run' | 'progress' | 'keepCheckpoints'>): Promise<void> {
  const { run, progress } = state;
  const last = await latestCheckpoint(run.dir);
  if (last?.step !== progress.step) return;
  await replaceWithDigest(last.dir, progressFile, progress);
  await retainCheckpoints(run.dir, retained(state));
}

const retained = ({ progress, keepCheckpoints = 3 }: Pick<TrainingState, 'progress' | 'keepCheckpoints'>) => ({
  last: keepCheckpoints,
  best: progress.best?.step ?? null,
});

/** The progress of training at a checkpoint, and the state of the optimiser and the method. */
export async function readProgress(checkpoint: string): Promise<{
  progress: TrainingProgress;
  optimizer: Map<string, HostTensor>;
  method: Map<string, HostTensor>;
}> {
  const file = path.join(checkpoint, progressFile);
  const parsed = progressSchema.safeParse(await readJson(file));
  if (!parsed.success)
    throw new UserError(
      `${file} is not a training state (${parsed.error.issues[0]!.message}); resume from an earlier checkpoint.`,
    );
  const step = stepOf(path.basename(checkpoint));
  if (step !== null && step !== parsed.data.step)
    throw new UserError(
      `${file} says that ${parsed.data.step} steps were made, but it belongs to the checkpoint of step ${step}; resume from an earlier checkpoint.`,
    );
  const carried = path.join(checkpoint, methodFile);
  return {
    progress: parsed.data,
    optimizer: await readSafetensors(path.join(checkpoint, optimizerFile)),
    method: existsSync(carried) ? await readSafetensors(carried) : new Map(),
  };
}

/** The state for training from a checkpoint: the stored tensors, and zeros for all others. */
export function resumedState(
  { config, adapter }: Pick<Checkpoint, 'config' | 'adapter'>,
  optimizer: ReadonlyMap<string, HostTensor>,
): Map<string, HostTensor> {
  return new Map([...trainingState(config, adapter), ...optimizer]);
}
