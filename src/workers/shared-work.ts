/**
 * Work that a trainer shares with its workers. Jobs are put on a queue. Workers take them from its beginning, and the trainer itself
 * takes those at its end that no worker has taken. When all that are left are with workers, the trainer waits for about the time of
 * one job and then computes them too, as MapReduce does with the last tasks of a job (Dean and Ghemawat, OSDI 2004, section 3.6). The
 * first result of a job counts. A trainer without workers, or without a server, therefore computes everything itself.
 */
import { isInterruption } from '../platform/errors.ts';
import type { ResultMessage } from './messages.ts';
import type { MessageQueue } from './queue-server.ts';

export interface SharedJob<Result> {
  /** The identity of the job. */
  readonly id: string;
  readonly message: string;
  /** The step whose rollouts it computes; absent: the step under way. */
  readonly step?: number;
  /** Computes the job in this process. */
  computeHere(signal: AbortSignal): Promise<Result>;
  /** Reads a worker's result. Throws a `UserError` if it does not fit the job. */
  read(result: ResultMessage): Result;
}

export interface SharedWorkOptions {
  readonly queue: Pick<MessageQueue, 'add' | 'takeBack'>;
  /** Results that are known already, by id. */
  readonly known: (id: string) => ResultMessage | undefined;
  /** Number of jobs that this process computes at a time. */
  readonly concurrency: number;
  /** Called when the server does not answer. */
  readonly onFailure: (error: unknown) => void;
}

interface Pending<Result> {
  readonly job: SharedJob<Result>;
  readonly result: Promise<Result>;
  /** Aborted when the job has a result. */
  readonly settled: AbortController;
  /** Whether this process computes it. */
  isHere: boolean;
  resolve(result: Result): void;
  reject(error: unknown): void;
}

/** Who computed the jobs of a step, and how long this process waited for them. */
export interface WorkShares {
  /** Number of jobs by worker; `here`: this process. */
  readonly jobs: ReadonlyMap<string, number>;
  readonly waitedSeconds: number;
}

/** The name of this process among the workers. */
export const here = 'here';
/** Seconds that are waited for a job if no duration is known yet, and at least. */
const firstPatience = 2;
const leastPatience = 0.25;

export class SharedWork<Result> {
  readonly #options: SharedWorkOptions;
  readonly #pending = new Map<string, Pending<Result>>();
  /** Jobs that were offered for a later `share`, with the results that have arrived. */
  readonly #offered = new Map<string, { readonly job: SharedJob<Result>; result?: ResultMessage }>();
  #jobs = new Map<string, number>();
  #waited = 0;
  /** Whether the server failed to answer since jobs were shared last; it is then not asked again. */
  #isLost = false;
  /** Mean seconds of a job, with the weight of later jobs falling. */
  #seconds: number | null = null;

  constructor(options: SharedWorkOptions) {
    this.#options = options;
  }

  /**
   * Shares jobs, and returns a promise for the result of each, in order. The last one is fulfilled when nothing is computed in this
   * process any more. When `signal` is aborted, or a computation in this process fails, those without a result are rejected. Jobs
   * with the same id are computed once.
   */
  share(jobs: readonly SharedJob<Result>[], signal: AbortSignal): Promise<Result>[] {
    const added = jobs.filter(({ id }, index) => jobs.findIndex((job) => job.id === id) === index);
    const own = added.filter(({ id }) => !this.#pending.has(id)).map((job) => this.#add(job));
    const results = jobs.map(({ id }) => this.#pending.get(id)!.result);
    const computing = this.#compute(own, signal);
    let left = jobs.length;
    return results.map(async (result) => {
      const value = await result;
      left--;
      if (left === 0) await computing;
      return value;
    });
  }

  /** Puts jobs on the queue that a later call of `share` waits for. Until then this process computes none of them. */
  async offer(jobs: readonly SharedJob<Result>[]): Promise<void> {
    for (const job of jobs) this.#offered.set(job.id, { job });
    await this.#options.queue.add(jobs.map(({ id, message }) => ({ id, message }))).catch(this.#noteFailure);
  }

  /** Uses the result of a worker, after `keep`. Returns false if its job has a result already, or is not known. */
  async accept(result: ResultMessage, keep: (step: number | undefined) => Promise<void>): Promise<boolean> {
    const job = this.#pending.get(result.id)?.job ?? this.#offered.get(result.id)?.job;
    if (!job || this.#offered.get(result.id)?.result) return false;
    const read = job.read(result);
    await keep(job.step);
    const pending = this.#pending.get(result.id);
    if (pending) {
      this.#settle(pending, result.worker, result.seconds);
      pending.resolve(read);
      return true;
    }
    const offered = this.#offered.get(result.id);
    if (!offered || offered.result) return false;
    offered.result = result;
    return true;
  }

  /** The shares since the last call. */
  takeShares(): WorkShares {
    const shares = { jobs: this.#jobs, waitedSeconds: this.#waited };
    this.#jobs = new Map();
    this.#waited = 0;
    return shares;
  }

  #add(job: SharedJob<Result>): Pending<Result> {
    const { promise, resolve, reject } = withResolvers<Result>();
    // Whoever uses the result handles its failure; a second handler keeps it from being reported before that.
    promise.catch(() => undefined);
    const pending = { job, result: promise, settled: new AbortController(), isHere: false, resolve, reject };
    this.#pending.set(job.id, pending);
    return pending;
  }

  async #compute(own: readonly Pending<Result>[], signal: AbortSignal): Promise<void> {
    const fail = (error: unknown) => {
      const open = own.filter((pending) => this.#isOpen(pending));
      for (const pending of open) {
        this.#pending.delete(pending.job.id);
        pending.settled.abort();
        pending.reject(error);
      }
      for (const { job } of open) this.#options.queue.takeBack(job.id).catch(() => undefined);
    };
    const stop = () => fail(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    try {
      signal.throwIfAborted();
      for (const pending of own) this.#useKnown(pending);
      const open = own.filter((pending) => this.#isOpen(pending));
      this.#isLost = false;
      await this.#options.queue.add(open.map(({ job: { id, message } }) => ({ id, message }))).catch(this.#noteFailure);
      await Promise.all(
        Array.from({ length: Math.min(this.#options.concurrency, open.length) }, () => this.#work(own, signal)),
      );
    } catch (error) {
      fail(error);
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  /** Computes jobs in this process until all have a result. */
  async #work(own: readonly Pending<Result>[], signal: AbortSignal): Promise<void> {
    for (;;) {
      const open = own.filter((pending) => this.#isOpen(pending));
      if (open.length === 0) return;
      const next = (await this.#take(open)) ?? (await this.#wait(open));
      if (next === null || next.isHere || !this.#isOpen(next)) continue;
      next.isHere = true;
      await this.#computeHere(next, signal);
    }
  }

  async #computeHere(pending: Pending<Result>, signal: AbortSignal): Promise<void> {
    const begin = performance.now();
    try {
      const result = await pending.job.computeHere(AbortSignal.any([signal, pending.settled.signal]));
      if (!this.#isOpen(pending)) return;
      this.#settle(pending, here, (performance.now() - begin) / 1000);
      pending.resolve(result);
    } catch (error) {
      // A worker was faster, or the step was stopped.
      if (pending.settled.signal.aborted && (isInterruption(error) || error === pending.settled.signal.reason)) return;
      throw error;
    }
  }

  /** Takes back the last job that no worker is computing; null if there is none. */
  async #take(open: readonly Pending<Result>[]): Promise<Pending<Result> | null> {
    for (const pending of open.toReversed()) {
      if (pending.isHere) continue;
      const isFree = this.#isLost || (await this.#options.queue.takeBack(pending.job.id).catch(this.#noteFailure));
      if (!this.#isOpen(pending)) return null;
      if (isFree) return pending;
    }
    return null;
  }

  /** Waits until one of these jobs has a result or a job's time is over, and returns the last job that this process may compute too. */
  async #wait(open: readonly Pending<Result>[]): Promise<Pending<Result> | null> {
    const begin = performance.now();
    const patience = this.#seconds === null ? firstPatience : Math.max(leastPatience, this.#seconds);
    const timer = withResolvers<'late'>();
    const timeout = setTimeout(() => timer.resolve('late'), 1000 * patience);
    const first = await Promise.race([
      ...open.map(({ result }) => result.then(() => 'settled' as const)),
      timer.promise,
    ]);
    clearTimeout(timeout);
    this.#waited += (performance.now() - begin) / 1000 / this.#options.concurrency;
    if (first === 'settled') return null;
    return open.toReversed().find((pending) => !pending.isHere) ?? null;
  }

  #noteFailure = (error: unknown): true => {
    this.#isLost = true;
    this.#options.onFailure(error);
    return true;
  };

  #useKnown(pending: Pending<Result>): void {
    const { id } = pending.job;
    const known = this.#offered.get(id)?.result ?? this.#options.known(id);
    this.#offered.delete(id);
    if (!known) return;
    try {
      const read = pending.job.read(known);
      this.#settle(pending, known.worker, null);
      pending.resolve(read);
    } catch (error) {
      this.#options.onFailure(error);
    }
  }

  #settle(pending: Pending<Result>, worker: string, seconds: number | null): void {
    this.#pending.delete(pending.job.id);
    pending.settled.abort();
    this.#jobs.set(worker, (this.#jobs.get(worker) ?? 0) + 1);
    if (seconds !== null) this.#seconds = this.#seconds === null ? seconds : 0.8 * this.#seconds + 0.2 * seconds;
  }

  #isOpen = (pending: Pending<Result>): boolean => this.#pending.get(pending.job.id) === pending;
}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((...functions) => {
    [resolve, reject] = functions;
  });
  return { promise, resolve, reject };
}
