import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { AppendLog } from '../runs/append-log.ts';
import { namesIn, stepName, stepOf } from '../runs/layout.ts';
import { type ResultMessage, readMessage, resultSchema, writeMessage } from './messages.ts';

interface StepLog {
  readonly log: AppendLog;
  readonly known: Map<string, ResultMessage>;
}

/**
 * The results of workers for the step under way, and those that arrive early for later steps, in the run directory: one file for each
 * step. A result is on the disk before the server forgets it, so a run that is resumed in the same step uses it. The file of a finished
 * step is removed; the step's samples have what counts.
 */
export class ResultLog {
  readonly #folder: string;
  /** The files by step. They are opened one after the other. */
  readonly #files = new Map<number, Promise<StepLog>>();
  #step: number | null = null;
  #known: ReadonlyMap<string, ResultMessage> = new Map();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the file of a step and removes those of earlier steps. Results of this step that the file has are in `known`. */
  async begin(step: number): Promise<ReadonlyMap<string, ResultMessage>> {
    for (const [other, file] of this.#files) {
      if (other >= step) continue;
      this.#files.delete(other);
      await (await file).log.close();
    }
    await this.#removeBefore(step);
    this.#step = step;
    this.#known = (await this.#open(step)).known;
    return this.#known;
  }

  /**
   * Appends a result; it is on the disk when the promise is fulfilled. Throws a `UserError` if it cannot be written.
   *
   * @param step the step that it belongs to; default: the one under way
   */
  async append(result: ResultMessage, step = this.#step): Promise<void> {
    if (this.#step === null || step === null || step < this.#step) return;
    const { log, known } = await this.#open(step);
    await log.append(writeMessage(result));
    known.set(result.id, result);
  }

  /** The result of a job of the step under way that is in its file; undefined if there is none. */
  find(id: string): ResultMessage | undefined {
    return this.#known.get(id);
  }

  /** Closes the files. `finished`: the results are not needed any more. */
  async close({ finished }: { readonly finished: boolean }): Promise<void> {
    for (const file of this.#files.values()) await (await file).log.close();
    this.#files.clear();
    this.#step = null;
    if (finished) await rm(this.#folder, { recursive: true, force: true });
  }

  #open(step: number): Promise<StepLog> {
    let file = this.#files.get(step);
    if (!file) {
      file = this.#read(path.join(this.#folder, `${stepName(step)}.jsonl`));
      this.#files.set(step, file);
      // A file that cannot be opened is tried again with the next result.
      file.catch(() => this.#files.delete(step));
    }
    return file;
  }

  async #read(file: string): Promise<StepLog> {
    await mkdir(this.#folder, { recursive: true });
    const known = await readResults(file);
    return { known, log: await AppendLog.open(file) };
  }

  async #removeBefore(step: number): Promise<void> {
    for (const name of await namesIn(this.#folder)) {
      const other = stepOf(name);
      if (other === null || other < step) await rm(path.join(this.#folder, name), { force: true });
    }
  }
}

/** The results in a file. Lines that are damaged are left out; their jobs are computed again. */
async function readResults(file: string): Promise<Map<string, ResultMessage>> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  const known = new Map<string, ResultMessage>();
  for (const line of text.split('\n').filter((each) => each !== '')) {
    try {
      const result = readMessage(resultSchema, line);
      known.set(result.id, result);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return known;
}
