/** A worker: takes jobs of the runs that a queue announces, has them computed, and sends back the results. */
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf, UserError } from '../platform/errors.ts';
import { tasks } from '../tasks/registry.ts';
import { toMessage } from './canvas-message.ts';
import { type ComputeProgram, Computer } from './computer.ts';
import { findBase } from './find-base.ts';
import {
  type AnnouncedRun,
  type ResultMessage,
  readMessage,
  rewardJobSchema,
  rolloutJobSchema,
  runKeys,
  type WorkerRecord,
  writeMessage,
} from './messages.ts';
import { fetchPolicy } from './policy.ts';
import { type Consumer, failure, type MessageQueue, type QueueServer } from './queue-server.ts';
import { announcedRuns, registerWorker, unregisterWorker } from './registry.ts';

export type WorkerRole = 'rollouts' | 'rewards';

export interface WorkerOptions {
  readonly server: QueueServer;
  readonly roles: readonly WorkerRole[];
  /** Name among the workers; default: host and process number. */
  readonly name?: string | undefined;
  /** The base model of runs whose model is not found by its name. */
  readonly model?: string | undefined;
  readonly program: ComputeProgram;
  /** Aborted to end the worker after the job that it is computing. */
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** What `unmask worker` prints at its end. */
export interface WorkerResult {
  readonly name: string;
  readonly groups: number;
  readonly rewards: number;
}

/** Milliseconds between two looks at the server. */
const lookEvery = 1_000;
/** Milliseconds that a worker waits after a job that failed. */
const afterFailure = 1_000;

/** Works until `signal` is aborted. */
export async function runWorker(options: WorkerOptions): Promise<WorkerResult> {
  const worker = await QueueWorker.open(options);
  try {
    await worker.workUntil(options.signal);
    return worker.result;
  } finally {
    await worker.close();
  }
}

/** A run that this worker serves. */
interface ServedRun {
  readonly announced: AnnouncedRun;
  readonly consumers: readonly Consumer[];
  readonly results: MessageQueue;
}

class QueueWorker {
  readonly #options: WorkerOptions;
  readonly #computer: Computer;
  readonly #name: string;
  readonly #device: Pick<WorkerRecord, 'device' | 'machine'>;
  readonly #served = new Map<string, ServedRun>();
  /** Why runs cannot be served, by id. */
  readonly #refused = new Map<string, string>();
  #busy = 0;
  #groups = 0;
  #rewards = 0;
  #tokens = 0;
  #seconds = 0;
  /** Groups are computed one at a time, also those of several runs. */
  #computing: Promise<unknown> = Promise.resolve();
  #isLost = false;

  static async open(options: WorkerOptions): Promise<QueueWorker> {
    const computer = new Computer(options.program);
    try {
      return new QueueWorker(options, computer, await computer.device());
    } catch (error) {
      await computer.close();
      throw error;
    }
  }

  private constructor(options: WorkerOptions, computer: Computer, device: Pick<WorkerRecord, 'device' | 'machine'>) {
    this.#options = options;
    this.#computer = computer;
    this.#device = device;
    this.#name = (options.name ?? `${hostname()}-${process.pid}`).replace(/[^\w.-]/g, '-').slice(0, 100);
    const { roles, server } = options;
    options.progress(
      `worker ${this.#name} on ${device.device} serves ${roles.join(' and ')} from ${server.address.text}`,
    );
  }

  get result(): WorkerResult {
    return { name: this.#name, groups: this.#groups, rewards: this.#rewards };
  }

  async workUntil(signal: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    while (!signal.aborted) {
      await this.#look().catch((error: unknown) => this.#noteFailure(error));
      let timer: NodeJS.Timeout | undefined;
      await Promise.race([ended, new Promise((resolve) => (timer = setTimeout(resolve, lookEvery)))]);
      clearTimeout(timer);
    }
  }

  /** Waits for the job that is being computed, and leaves the queue. */
  async close(): Promise<void> {
    await Promise.all([...this.#served.values()].map((served) => this.#leave(served)));
    await unregisterWorker(this.#options.server.redis, this.#name).catch(() => undefined);
    await this.#computer.close();
  }

  /** Registers, joins new runs, and leaves those that have ended. */
  async #look(): Promise<void> {
    const { redis } = this.#options.server;
    const runs = await announcedRuns(redis);
    const ids = new Set(runs.map(({ id }) => id));
    for (const [id, served] of this.#served)
      if (!ids.has(id)) {
        this.#served.delete(id);
        await this.#leave(served);
        this.#options.progress(`${served.announced.run} has ended`);
      }
    for (const id of this.#refused.keys()) if (!ids.has(id)) this.#refused.delete(id);
    for (const announced of runs)
      if (!this.#served.has(announced.id) && !this.#refused.has(announced.id)) await this.#join(announced);
    await registerWorker(redis, this.#record());
    if (this.#isLost) this.#options.progress('The server answers again.');
    this.#isLost = false;
  }

  async #join(announced: AnnouncedRun): Promise<void> {
    const { server, roles, progress } = this.#options;
    try {
      const base = await findBase(announced, this.#options.model);
      const keys = runKeys(announced.id);
      const results = server.queue(keys.results);
      const consumers = [
        ...(roles.includes('rollouts')
          ? [server.consume(keys.rollouts, (...job) => this.#rollouts(announced, base, results, ...job))]
          : []),
        ...(roles.includes('rewards') && announced.rewards
          ? [server.consume(keys.rewards, (...job) => this.#reward(announced, results, ...job))]
          : []),
      ];
      this.#served.set(announced.id, { announced, consumers, results });
      progress(`serving ${announced.run}`);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#refused.set(announced.id, error.message);
      progress(`cannot serve ${announced.run}: ${error.message}`);
    }
  }

  async #leave({ consumers, results }: ServedRun): Promise<void> {
    await Promise.all(consumers.map((consumer) => consumer.close()));
    await results.close();
  }

  /** Computes a group and sends it back. */
  async #rollouts(announced: AnnouncedRun, base: string, results: MessageQueue, message: string, id: string) {
    await this.#work(results, async () => {
      const job = readMessage(rolloutJobSchema, message);
      if (job.run !== announced.id) throw new UserError('A job belongs to another run.');
      const begin = performance.now();
      const { redis } = this.#options.server;
      const next = this.#computing.then(() =>
        this.#computer.generate(announced.model, base, job.policy, job, () => fetchPolicy(redis, job.run, job.policy)),
      );
      this.#computing = next.catch(() => undefined);
      const { canvases, tokens } = await next;
      const seconds = (performance.now() - begin) / 1000;
      this.#groups++;
      this.#tokens += canvases.length * job.decoding.length;
      this.#seconds += seconds;
      return {
        ...{ kind: 'rollouts', id, worker: this.#name, machine: this.#device.machine, seconds, tokens },
        canvases: canvases.map(toMessage),
      };
    });
  }

  /** Computes rewards and sends them back. Their tests run in the sandbox, so this process stays responsive. */
  async #reward(announced: AnnouncedRun, results: MessageQueue, message: string, id: string) {
    await this.#work(results, async () => {
      const job = readMessage(rewardJobSchema, message);
      if (job.run !== announced.id || job.task !== announced.task) throw new UserError('A job belongs to another run.');
      const task = tasks.find(({ name }) => name === job.task)!;
      if (task.name === 'workspace')
        throw new UserError(
          'Rewards of workspaces are computed by the trainer only, because workers have no copy of the workspace.',
        );
      const begin = performance.now();
      const requests = job.requests.map(({ row, completion, reward }) => ({
        row: task.parse(row),
        completion,
        reward,
      }));
      const rewards = await task.scorer.reward(requests, job.format);
      this.#rewards += requests.length;
      const seconds = (performance.now() - begin) / 1000;
      return {
        ...{ kind: 'rewards', id, worker: this.#name, machine: this.#device.machine, seconds },
        rewards: rewards.map((reward) => reward as Extract<ResultMessage, { kind: 'rewards' }>['rewards'][number]),
      };
    });
  }

  async #work(results: MessageQueue, compute: () => Promise<ResultMessage>): Promise<void> {
    this.#busy++;
    try {
      await results.add([{ message: writeMessage(await compute()) }]);
    } catch (error) {
      this.#options.progress(`A job failed: ${messageOf(error)}`);
      // Meanwhile another worker can take the job.
      await delay(afterFailure);
      throw error;
    } finally {
      this.#busy--;
    }
  }

  #record(): WorkerRecord {
    return {
      name: this.#name,
      ...this.#device,
      roles: [...this.#options.roles],
      tokens_per_second: this.#seconds > 0 ? this.#tokens / this.#seconds : null,
      busy: this.#busy > 0,
      last_seen: new Date().toISOString(),
      refused: [...this.#refused].map(([run, reason]) => ({ run, reason: reason.slice(0, 2_000) })),
    };
  }

  #noteFailure(error: unknown): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#options.progress(failure(error, this.#options.server.address).message);
  }
}
