import { type FileHandle, mkdir, open, rm } from 'node:fs/promises';
import path from 'node:path';
import { configurationText, evaluationScalars, sampleSummaries, stepScalars } from '../logging/run-summaries.ts';
import { fileStart, restartAt, summaryRecord } from '../logging/tfevents.ts';
import { writing } from '../platform/files.ts';
import type { RunEvent } from '../protocol/events.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { readConfiguration } from './directory.ts';
import { namesIn, runFile } from './layout.ts';
import { isEvaluation, readEvents, readSamples, sampleSteps } from './reader.ts';

/** The records of a run so far, for one file of TensorBoard. Samples have the time of their step. */
export async function* tensorboardRecords(dir: string): AsyncGenerator<Buffer> {
  const configuration = await readConfiguration(dir);
  const begin = Date.parse(configuration.createdAt) / 1000;
  yield fileStart(begin);
  yield summaryRecord(begin, 0, [configurationText(configuration)]);
  const withSamples = new Set(await sampleSteps(dir));
  for (const event of await readEvents(dir)) {
    if (!isEvaluation(event) && withSamples.has(event.step))
      yield* samplesRecord(event.time, event.step, await readSamples(dir, event.step));
    yield eventRecord(event);
  }
}

export const isTensorboardFile = (name: string): boolean => /^events\.out\.tfevents\.\d+\.unmask$/.test(name);

/** A file name that TensorBoard recognises, and sorts by time in Unix seconds. */
export const tensorboardFile = (seconds: number): string =>
  `events.out.tfevents.${String(Math.floor(seconds)).padStart(10, '0')}.unmask`;

function eventRecord(event: RunEvent): Buffer {
  const scalars = isEvaluation(event) ? evaluationScalars(event.evaluation) : stepScalars(event);
  return summaryRecord(event.time, event.step, scalars);
}

function samplesRecord(time: number, step: number, samples: readonly SampleRecord[]): Buffer[] {
  const summaries = sampleSummaries(samples);
  return summaries.length === 0 ? [] : [summaryRecord(time, step, summaries)];
}

/**
 * The event file that a running job writes into its run directory, for `tensorboard --logdir`. It is written anew when the job
 * starts or resumes, from the event log, which a resumed job has taken back to its checkpoint.
 */
export class TensorboardLog {
  readonly #file: string;
  readonly #handle: FileHandle;
  #samples: readonly SampleRecord[] = [];

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  static async open(dir: string): Promise<TensorboardLog> {
    const folder = runFile(dir).tensorboard;
    return writing(folder, async () => {
      await mkdir(folder, { recursive: true });
      const earlier = (await namesIn(folder)).filter(isTensorboardFile).sort();
      // Later than all earlier files, so that a TensorBoard that runs reads it after them.
      const last = Number(earlier.at(-1)?.split('.')[3] ?? 0);
      const file = path.join(folder, tensorboardFile(Math.max(Date.now() / 1000, last + 1)));
      const handle = await open(file, 'wx');
      const log = new TensorboardLog(file, handle);
      let first = true;
      for await (const record of tensorboardRecords(dir)) {
        await handle.appendFile(record);
        if (first && earlier.length > 0) await handle.appendFile(restartAt(Date.now() / 1000, 0));
        first = false;
      }
      for (const name of earlier) await rm(path.join(folder, name), { force: true });
      return log;
    });
  }

  /** The samples of the step whose event comes next. */
  samples(records: readonly SampleRecord[]): void {
    this.#samples = records;
  }

  async event(event: RunEvent): Promise<void> {
    const isStep = !isEvaluation(event);
    const samples = isStep ? samplesRecord(event.time, event.step, this.#samples) : [];
    if (isStep) this.#samples = [];
    await writing(this.#file, () => this.#handle.appendFile(Buffer.concat([...samples, eventRecord(event)])));
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
