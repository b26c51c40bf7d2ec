import { readFileSync } from 'node:fs';
import { Interrupted } from '../platform/errors.ts';
import { runFile } from './layout.ts';
import { runControlSchema } from './records.ts';
import type { RunWriter } from './writer.ts';

/** Milliseconds between two reads of `control.json`. */
const lookEvery = 500;

/**
 * Everything that can stop a job, as one `AbortSignal`: a stop request in `control.json`, the command's own signal
 * (SIGINT), and a run directory that another process took over.
 */
export class ControlWatch {
  readonly #run: RunWriter;
  readonly #outer: AbortSignal | undefined;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #onOuter = () => this.stop();
  /** When `control.json` was read last, on a clock that does not jump. */
  #looked = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;

  constructor(run: RunWriter, outer?: AbortSignal) {
    this.#run = run;
    this.#outer = outer;
    this.#timer = setInterval(() => this.#read(), lookEvery).unref();
    if (outer?.aborted) this.stop();
    else outer?.addEventListener('abort', this.#onOuter, { once: true });
  }

  /** Aborted with an `Interrupted` when the job is to stop, or with the error that makes it impossible to continue. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * Reads `control.json` at once if the last read was a while ago, for work that calls engines in a loop: timers do not
   * fire in time between two of their runs.
   */
  look(): void {
    if (this.signal.aborted || performance.now() - this.#looked < lookEvery) return;
    this.#looked = performance.now();
    if (this.#wantsStop()) this.stop();
  }

  /** Aborts the signal, so that the job stops. */
  stop(): void {
    if (this.signal.aborted) return;
    this.#controller.abort(new Interrupted('The run was stopped.'));
    // The job writes the state again when it ends, and reports an error then.
    void this.#run.setState('stopping').catch(() => undefined);
  }

  async end(): Promise<void> {
    clearInterval(this.#timer);
    this.#outer?.removeEventListener('abort', this.#onOuter);
    await this.#reading;
  }

  #read(): void {
    this.#looked = performance.now();
    this.#reading ??= this.#run
      .request()
      .then((request) => {
        if (request === 'stop') this.stop();
      })
      .catch((error: unknown) => this.#controller.abort(error))
      .finally(() => {
        this.#reading = null;
      });
  }

  #wantsStop(): boolean {
    try {
      const control = runControlSchema.parse(JSON.parse(readFileSync(runFile(this.#run.dir).control, 'utf8')));
      return control.want === 'stop' && control.id !== this.#run.status.control;
    } catch {
      // There is no request, or none that can be read; `RunWriter.request` reports that.
      return false;
    }
  }
}
