import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { AppendLog } from '../runs/append-log.ts';
import { stepName } from '../runs/layout.ts';
import { type ResultMessage, readMessage, resultSchema, writeMessage } from './messages.ts';

/**
 * The results of workers for the step under way, in the run directory. A result is on the disk before the server forgets it, so a
 * run that is resumed in the same step uses it. The file of a finished step is removed; the step's samples have what counts.
 */
export class ResultLog {
  readonly #folder: string;
  #open: { readonly step: number; readonly log: AppendLog; readonly known: Map<string, ResultMessage> } | null = null;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Opens the file of a step and removes those of all other steps. Results of this step that the file has are in `known`. */
  async begin(step: number): Promise<ReadonlyMap<string, ResultMessage>> {
    if (this.#open?.step === step) return this.#open.known;
    await this.#open?.log.close();
    this.#open = null;
    const file = path.join(this.#folder, `${stepName(step)}.jsonl`);
    const known = await readResults(file);
    if (known.size === 0) await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true });
    this.#open = { step, log: await AppendLog.open(file), known };
    return known;
  }

  /** Appends a result; it is on the disk when the promise is fulfilled. Throws a `UserError` if it cannot be written. */
  async append(result: ResultMessage): Promise<void> {
    if (!this.#open) return;
    await this.#open.log.append(writeMessage(result));
    this.#open.known.set(result.id, result);
  }

  /** The result of a job that is in the file; undefined if there is none. */
  find(id: string): ResultMessage | undefined {
    return this.#open?.known.get(id);
  }

  /** Closes the file. `finished`: the results are not needed any more. */
  async close({ finished }: { readonly finished: boolean }): Promise<void> {
    await this.#open?.log.close();
    this.#open = null;
    if (finished) await rm(this.#folder, { recursive: true, force: true });
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
