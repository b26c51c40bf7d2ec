import path from 'node:path';
import { resolveModel } from '../catalogue/resolve-model.ts';
import { framesOf } from '../evaluation/frames.ts';
import { gridLayoutOf } from '../evaluation/grid-layout.ts';
import { Tokenizer } from '../model/tokenizer.ts';
import { UserError } from '../platform/errors.ts';
import type { Denoising } from '../protocol/report.ts';
import type { RunConfiguration } from '../protocol/run.ts';
import type { SampleDenoisingParameters } from '../protocol/runtime.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { readConfiguration } from '../runs/directory.ts';
import { readSamples } from '../runs/reader.ts';

/** How a sample of a run was denoised, from the run's records. Throws a `UserError` if there is no such sample. */
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

/** The tokenizer of a run's last checkpoint, or of its base, which is the same, if there is no checkpoint yet. */
async function tokenizerOf(dir: string, { model }: RunConfiguration): Promise<Tokenizer> {
  const checkpoint = await latestCheckpoint(dir);
  const name = checkpoint?.dir ?? model;
  if (name === null)
    throw new UserError(
      `The run ${path.basename(dir)} has no checkpoint yet, so the texts of its tokens are unknown; wait until it has made some steps.`,
    );
  return Tokenizer.read((await resolveModel(name)).base);
}
