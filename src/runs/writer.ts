import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, UserError } from '../platform/errors.ts';
import { writeAtomic, writeJson } from '../platform/files.ts';
import type { AnswerRecord } from '../protocol/evaluation.ts';
import type { RunEvent } from '../protocol/events.ts';
import type { RunConfiguration, RunRequest, RunState, RunStatus } from '../protocol/run.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { AppendLog } from './append-log.ts';
import { type Checkpoint, commitCheckpoint, removeUnfinishedCheckpoints, retainCheckpoints } from './checkpoints.ts';
import { readControl } from './control.ts';
import { changeSteps, createRunDirectory, type NewRun, readConfiguration, rewindRun } from './directory.ts';
import { runFile, stepName } from './layout.ts';
import { acquireLock, type HeldLock } from './lock.ts';

/** Milliseconds between two heartbeats, while the process's event loop is free. */
const heartbeatEvery = 1_000;
/** Milliseconds between two looks at the control file while a run is paused. */
const lookEvery = 250;

/**
 * A job's side of its run directory: holds the lock and a beating status from `create` or `resume` until `close`.
 *
 *     const run = await RunWriter.create(root, configuration);
 *     for (…) {
 *       if ((await run.wish()) !== 'run') …
 *       await run.append({ step, time: Date.now() / 1000, reward, loss });
 *       await run.progress(step, eta);
 *     }
 *     await run.close('finished');
 */
export class RunWriter {
  readonly dir: string;
  readonly configuration: RunConfiguration;
  readonly #lock: HeldLock;
  readonly #events: AppendLog;
  readonly #log: AppendLog;
  /** Opened by the first answer: a training run has none. */
  #answers: AppendLog | undefined;
  readonly #timer: NodeJS.Timeout;
  #status: RunStatus;
  #written = 0;
  #writing: Promise<void> = Promise.resolve();
  #wish: RunRequest = 'run';
  #unreadable: string | null = null;

  private constructor(dir: string, configuration: RunConfiguration, lock: HeldLock, events: AppendLog, log: AppendLog) {
    this.dir = dir;
    this.configuration = configuration;
    this.#lock = lock;
    this.#events = events;
    this.#log = log;
    this.#status = { state: 'starting', step: 0, steps: configuration.steps, eta: null, heartbeat: now() };
    // What a beat fails to write, the next state change fails to write too, and that one is awaited by the job.
    this.#timer = setInterval(() => void this.#beat().catch(() => undefined), heartbeatEvery / 2).unref();
  }

  /** Creates a new run directory under `root`. */
  static async create(root: string, run: NewRun): Promise<RunWriter> {
    return RunWriter.#open(await createRunDirectory(root, run), null);
  }

  /**
   * Takes up a run directory again from the end of `step`: whatever later steps left there goes away (`rewindRun`).
   * Throws a `UserError` where another process uses it.
   */
  static async resume(dir: string, step: number, steps?: number): Promise<RunWriter> {
    return RunWriter.#open(dir, step, steps);
  }

  static async #open(dir: string, step: number | null, steps?: number): Promise<RunWriter> {
    const found = await readConfiguration(dir);
    const lock = await acquireLock(dir);
    try {
      const isChanged = steps !== undefined && steps !== found.steps;
      const configuration = isChanged ? await changeSteps(dir, found, step ?? 0, steps) : found;
      await rm(runFile(dir).control, { force: true });
      await removeUnfinishedCheckpoints(dir);
      if (step !== null) await rewindRun(dir, step);
      const events = await AppendLog.open(runFile(dir).events);
      const log = await AppendLog.open(runFile(dir).log);
      const run = new RunWriter(dir, configuration, lock, events, log);
      await run.#change({ step: step ?? 0 });
      return run;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Appends a step or an evaluation to the event log. Numbers must be finite: JSON has no others. */
  async append(event: RunEvent): Promise<void> {
    await this.#events.append(strictJson(event, `step ${event.step}`));
  }

  /** Writes the samples of a step, all at once. */
  async samples(step: number, records: readonly SampleRecord[]): Promise<void> {
    const text = records.map((record) => `${strictJson(record, `a sample of step ${step}`)}\n`).join('');
    await writeAtomic(path.join(runFile(this.dir).samples, `${stepName(step)}.jsonl`), text);
  }

  /** Appends answers of an evaluation, all in one write. Append the step that counts them after them. */
  async answers(records: readonly AnswerRecord[]): Promise<void> {
    this.#answers ??= await AppendLog.open(runFile(this.dir).answers);
    await this.#answers.append(
      records.map((record) => strictJson(record, `an answer to problem ${record.problem}`)).join('\n'),
    );
  }

  /** Appends a line with its time to `log.txt`. */
  async log(line: string): Promise<void> {
    await this.#log.append(`${now()} ${line.replaceAll('\n', '\n  ')}`);
  }

  /** Says that the run is under way, `step` steps done and `eta` seconds left; written about once a second. */
  async progress(step: number, eta: number | null): Promise<void> {
    const first = this.#status.state !== 'running';
    this.#status = { ...this.#status, state: 'running', step, eta: eta === null ? null : Math.max(0, eta) };
    if (first) await this.#writeStatus();
    else await this.#beat();
  }

  /** Changes the state at once, for example to `stopping` while the last checkpoint is written. */
  async setState(state: Exclude<RunState, 'finished' | 'failed' | 'interrupted'>): Promise<void> {
    await this.#change({ state });
  }

  /**
   * What is wanted of the run, read between two steps. Throws a `UserError` where another process took the run
   * directory over. A request that cannot be read is noted in the log and changes nothing.
   */
  async wish(): Promise<RunRequest> {
    await this.#lock.assertHeld();
    try {
      const control = await readControl(this.dir);
      this.#unreadable = null;
      if (control !== null && control.id !== this.#status.control) {
        this.#wish = control.want;
        await this.#change({ control: control.id });
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (this.#unreadable !== error.message) await this.log(error.message);
      this.#unreadable = error.message;
    }
    return this.#wish;
  }

  /** Stays `paused` until somebody wants the run to go on or to stop, or `signal` says stop. */
  async whilePaused(signal?: AbortSignal): Promise<'run' | 'stop'> {
    await this.#change({ state: 'paused', eta: null });
    for (;;) {
      const wish = signal?.aborted ? 'stop' : await this.wish();
      if (wish !== 'pause') {
        await this.#change({ state: wish === 'run' ? 'running' : 'stopping' });
        return wish;
      }
      await delay(lookEvery, undefined, signal ? { signal } : {}).catch(() => undefined);
    }
  }

  /**
   * Writes the checkpoint of a step (see `commitCheckpoint`) and keeps the last `keep` (3) and that of step `best`.
   * Evaluate a step before its checkpoint: resuming from it keeps the events up to its step.
   */
  async checkpoint(
    step: number,
    write: (folder: string) => Promise<void>,
    options: { readonly keep?: number; readonly best?: number | null } = {},
  ): Promise<Checkpoint> {
    const checkpoint = await commitCheckpoint(this.dir, step, write);
    await retainCheckpoints(this.dir, { last: options.keep ?? 3, best: options.best ?? null });
    return checkpoint;
  }

  /** Writes `result.json`. */
  async result(result: unknown): Promise<void> {
    await writeJson(runFile(this.dir).result, result);
  }

  /**
   * Ends the job's hold on the run: last status, with the cause where it failed, and the lock given back. Where
   * another process took the run over, its status stays.
   */
  async close(state: 'finished' | 'failed' | 'interrupted', cause?: unknown): Promise<void> {
    clearInterval(this.#timer);
    try {
      const error = cause === undefined ? {} : { error: messageOf(cause) };
      const eta = state === 'finished' ? 0 : null;
      if (await this.#lock.isHeld()) await this.#change({ state, eta, ...error });
    } finally {
      await this.#events.close();
      await this.#answers?.close();
      await this.#log.close();
      await this.#lock.release();
    }
  }

  async #change(change: Partial<RunStatus>): Promise<void> {
    this.#status = { ...this.#status, ...change };
    await this.#writeStatus();
  }

  async #beat(): Promise<void> {
    if (Date.now() - this.#written >= heartbeatEvery) await this.#writeStatus();
  }

  /** One write after the other, so that an old status never lands on a newer one. */
  #writeStatus(): Promise<void> {
    this.#written = Date.now();
    const turn = this.#writing.then(() => {
      this.#status = { ...this.#status, heartbeat: now() };
      return writeJson(runFile(this.dir).status, this.#status);
    });
    this.#writing = turn.catch(() => undefined);
    return turn;
  }
}

/** JSON of a record whose numbers are all finite: `JSON.stringify` would write the others as null, silently. */
function strictJson(record: unknown, what: string): string {
  return JSON.stringify(record, (name, value: unknown) => {
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    throw new RangeError(`Metric ${name} of ${what} is ${value}; leave out what was not measured.`);
  });
}

const now = (): string => new Date().toISOString();
