import path from 'node:path';
import { framesOf } from '../evaluation/frames.ts';
import { gridLayoutOf } from '../evaluation/grid-layout.ts';
import { baseFolder } from '../model/checkpoint.ts';
import { findModel } from '../model/find-model.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { UserError } from '../platform/errors.ts';
import type { Denoising } from '../protocol/report.ts';
import type { RunConfiguration } from '../protocol/run.ts';
import type { SampleDenoisingParameters } from '../protocol/runtime.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { readConfiguration } from '../runs/directory.ts';
import { readSamples } from '../runs/reader.ts';

/** How a sample of a run was denoised, from what the run keeps of it. Throws a `UserError` where that is not there. */
export async function denoisingOfSample({ dir, step, index }: SampleDenoisingParameters): Promise<Denoising> {
  const configuration = await readConfiguration(dir);
  const samples = await readSamples(dir, step);
  const sample = samples[index];
  if (sample === undefined)
    throw new UserError(
      `Step ${step} of the run ${path.basename(dir)} has ${samples.length} samples, so there is no sample ${index + 1}.`,
    );
  const tokenizer = await tokenizerOf(dir, configuration);
  const forwards = sample.revealedAt.reduce((last, at) => Math.max(last, at), -1) + 1;
  return {
    title: `Step ${step}, sample ${index + 1}`,
    prompt: sample.prompt,
    outcome: sample.rewards.total === undefined ? null : `reward ${Number(sample.rewards.total.toFixed(3))}`,
    frames: framesOf({ ...sample, forwards }, tokenizer),
    ...gridLayoutOf(configuration.task, sample.prompt),
  };
}

/** A run's model has the tokenizer of its base, so the base serves where no checkpoint was written yet. */
async function tokenizerOf(dir: string, { model }: RunConfiguration): Promise<Tokenizer> {
  const checkpoint = await latestCheckpoint(dir);
  if (checkpoint) return Tokenizer.read(await baseFolder(checkpoint.dir));
  if (model === null)
    throw new UserError(
      `The run ${path.basename(dir)} has no checkpoint yet, so the words of its tokens are not known; let it make some steps first.`,
    );
  return Tokenizer.read(await baseFolder(await findModel(model)));
}
