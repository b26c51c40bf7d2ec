import { rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, UserError } from '../platform/errors.ts';
import { writeAtomic, writeJson } from '../platform/files.ts';
import type { AnswerRecord } from '../protocol/evaluation.ts';
import type { RunEvent } from '../protocol/events.ts';
import { printable } from '../protocol/printable.ts';
import type { RunActivity, RunConfiguration, RunRequest, RunState, RunStatus } from '../protocol/run.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { AppendLog } from './append-log.ts';
import { type Checkpoint, commitCheckpoint, removeUnfinishedCheckpoints, retainCheckpoints } from './checkpoints.ts';
import { readControl } from './control.ts';
import { changeSteps, createRunDirectory, type NewRun, readConfiguration, rewindRun } from './directory.ts';
import { runFile, stepName } from './layout.ts';
import { removeLeftBehind } from './left-behind.ts';
import { acquireLock, type HeldLock } from './lock.ts';
import { TensorboardLog } from './tensorboard-log.ts';

/** Milliseconds between two writes of `status.json`, while the process's event loop is free. */
const statusEvery = 1_000;
/** Milliseconds between two lines about the activity in `log.txt`, so that the log of a long step is not empty. */
const logActivityEvery = 30_000;
/** Milliseconds between two reads of `control.json` while a run is paused. */
const lookEvery = 250;

/**
 * A job's side of its run directory. It holds the lock and keeps `status.json` fresh from `create` or `resume` until
 * `close`. Jobs get theirs from `runJob`, which also watches `control.json` and closes the run on every path.
 */
export class RunWriter {
  readonly dir: string;
  readonly configuration: RunConfiguration;
  readonly #lock: HeldLock;
  readonly #events: AppendLog;
  readonly #log: AppendLog;
  /** The copy of events and samples for TensorBoard; absent unless the job asked for one. */
  #tensorboard: TensorboardLog | undefined;
  /** Opened by the first answer; a training run has none. */
  #answers: AppendLog | undefined;
  readonly #timer: NodeJS.Timeout;
  #status: RunStatus;
  /** When the status and an activity were written last, on a clock that does not jump. */
  #written = Number.NEGATIVE_INFINITY;
  #activityLogged = performance.now();
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
    // If a write fails here, the next state change fails as well, and the job awaits that one.
    this.#timer = setInterval(() => void this.#beat().catch(() => undefined), statusEvery / 2).unref();
  }

  /** `status.json` as it will be written next. */
  get status(): RunStatus {
    return this.#status;
  }

  /** Creates a new run directory under `root`. */
  static async create(root: string, run: NewRun): Promise<RunWriter> {
    return RunWriter.#open(await createRunDirectory(root, run), null);
  }

  /**
   * Continues a run directory from the end of `step`; what later steps left there is removed (`rewindRun`). Throws a
   * `UserError` if another process uses the directory.
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
      await removeLeftBehind(dir);
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
    await this.#tensorboard?.event(event);
  }

  /** Writes the samples of a step, all at once. */
  async samples(step: number, records: readonly SampleRecord[]): Promise<void> {
    const text = records.map((record) => `${strictJson(record, `a sample of step ${step}`)}\n`).join('');
    await writeAtomic(path.join(runFile(this.dir).samples, `${stepName(step)}.jsonl`), text);
    this.#tensorboard?.samples(records);
  }

  /** From now on also writes events and samples for TensorBoard, after those that the run has already. */
  async logToTensorboard(): Promise<void> {
    this.#tensorboard ??= await TensorboardLog.open(this.dir);
  }

  /** Appends answers of an evaluation, all in one write. Append the step that counts them after them. */
  async answers(records: readonly AnswerRecord[]): Promise<void> {
    this.#answers ??= await AppendLog.open(runFile(this.dir).answers);
    await this.#answers.append(
      records.map((record) => strictJson(record, `an answer to problem ${record.problem}`)).join('\n'),
    );
  }

  /** Appends a line with its time to `log.txt`. Further lines of a text are indented, so that they are not mistaken for entries. */
  async log(line: string): Promise<void> {
    await this.#log.append(`${now()} ${printable(line).replaceAll('\n', '\n  ')}`);
  }

  /** Notes that `step` steps are done and `eta` seconds are left, and that no activity is under way; written about once a second. */
  async progress(step: number, eta: number | null): Promise<void> {
    const { activity, ...status } = this.#status;
    const first = status.state === 'starting' || status.state === 'paused';
    const state = status.state === 'stopping' ? 'stopping' : 'running';
    this.#status = { ...status, state, step, eta: atLeastZero(eta) };
    if (first) await this.#writeStatus();
    else await this.#beat();
  }

  /** Notes what the job is doing inside a step, and the seconds left of the run; written about once a second. */
  activity(activity: RunActivity, eta: number | null): void {
    this.#status = {
      ...this.#status,
      activity: { ...activity, eta: atLeastZero(activity.eta) },
      eta: atLeastZero(eta),
    };
    void this.#beat().catch(() => undefined);
    if (performance.now() - this.#activityLogged < logActivityEvery) return;
    this.#activityLogged = performance.now();
    void this.log(activity.text).catch(() => undefined);
  }

  /** Changes the state at once, for example to `stopping` while the last checkpoint is written. */
  async setState(state: Exclude<RunState, 'finished' | 'failed' | 'interrupted'>): Promise<void> {
    await this.#change({ state });
  }

  /**
   * The user's last request to the run, from `control.json`. Throws a `UserError` if another process took over the run
   * directory. A request that cannot be read is noted in the log and changes nothing.
   */
  async request(): Promise<RunRequest> {
    await this.#lock.assertHeld();
    try {
      const control = await readControl(this.dir);
      this.#unreadable = null;
      if (control !== null && control.id !== this.#status.control) {
        this.#wish = control.want;
        const { pending, ...status } = this.#status;
        const isPending = control.want === 'pause' && status.state !== 'paused';
        this.#status = { ...status, control: control.id, ...(isPending ? { pending: 'pause' } : {}) };
        await this.#writeStatus();
        await this.log(`Request received: ${control.want}.`);
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (this.#unreadable !== error.message) await this.log(error.message);
      this.#unreadable = error.message;
    }
    return this.#wish;
  }

  /** Stays `paused` until a request says to continue or to stop, or `signal` is aborted. */
  async whilePaused(signal?: AbortSignal): Promise<'run' | 'stop'> {
    const { pending, activity, ...status } = this.#status;
    this.#status = { ...status, state: 'paused', eta: null };
    await this.#writeStatus();
    await this.log(`Paused after step ${status.step}.`);
    for (;;) {
      const request = signal?.aborted ? 'stop' : await this.request();
      if (request !== 'pause') {
        await this.#change({ state: request === 'run' ? 'running' : 'stopping' });
        if (request === 'run') await this.log('Continued.');
        return request;
      }
      await delay(lookEvery, undefined, signal ? { signal } : {}).catch(() => undefined);
    }
  }

  /**
   * Writes the checkpoint of a step (see `commitCheckpoint`), then keeps the newest `keep` (3) and that of step `best`.
   * Evaluate a step before you write its checkpoint: a run that resumes from it keeps the events up to that step.
   */
  async checkpoint(
    step: number,
    write: (folder: string) => Promise<void>,
    options: { readonly keep?: number; readonly best?: number | null } = {},
  ): Promise<Checkpoint> {
    const checkpoint = await commitCheckpoint(this.dir, step, write);
    await retainCheckpoints(this.dir, { last: options.keep ?? 3, best: options.best ?? null });
    await this.log(`Saved the checkpoint of step ${step}.`);
    return checkpoint;
  }

  /** Writes `result.json`. */
  async result(result: unknown): Promise<void> {
    await writeJson(runFile(this.dir).result, result);
  }

  /**
   * Ends the job's hold on the run: writes the last status, with the cause if the run failed or stopped, and releases
   * the lock. If another process took over the run, its status stays.
   */
  async close(state: 'finished' | 'failed' | 'interrupted', cause?: unknown): Promise<void> {
    clearInterval(this.#timer);
    try {
      if (await this.#lock.isHeld()) {
        const { activity, pending, ...status } = this.#status;
        const error = cause === undefined ? {} : { error: messageOf(cause) };
        this.#status = { ...status, state, eta: state === 'finished' ? 0 : null, ...error };
        await this.#writeStatus();
      }
    } finally {
      await this.#events.close();
      await this.#answers?.close();
      await this.#tensorboard?.close();
      await this.#log.close();
      await this.#lock.release();
    }
  }

  async #change(change: Partial<RunStatus>): Promise<void> {
    this.#status = { ...this.#status, ...change };
    await this.#writeStatus();
  }

  async #beat(): Promise<void> {
    if (performance.now() - this.#written >= statusEvery) await this.#writeStatus();
  }

  /** Writes one after the other, so that an old status never replaces a newer one. */
  #writeStatus(): Promise<void> {
    this.#written = performance.now();
    const turn = this.#writing.then(() => {
      this.#status = { ...this.#status, heartbeat: now() };
      return writeJson(runFile(this.dir).status, this.#status);
    });
    this.#writing = turn.catch(() => undefined);
    return turn;
  }
}

const atLeastZero = (seconds: number | null): number | null => (seconds === null ? null : Math.max(0, seconds));

/** JSON of a record whose numbers are all finite: `JSON.stringify` would silently write the others as null. */
function strictJson(record: unknown, what: string): string {
  return JSON.stringify(record, (name, value: unknown) => {
    if (typeof value !== 'number' || Number.isFinite(value)) return value;
    throw new RangeError(`Metric ${name} of ${what} is ${value}; leave out what was not measured.`);
  });
}

const now = (): string => new Date().toISOString();
