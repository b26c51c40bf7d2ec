/** The trainer's side: offers the groups and rewards of a run to workers. */
import { randomUUID } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { keptBytes } from '../model/memory.ts';
import { size } from '../platform/amounts.ts';
import { messageOf, UsageError, UserError } from '../platform/errors.ts';
import { runFile } from '../runs/layout.ts';
import type { Reward, ScoringError, Task } from '../tasks/task.ts';
import type { PolicyWeights } from '../tuning/past-policies.ts';
import {
  type GenerateBatches,
  type GeneratedBatch,
  type GenerateHere,
  type RolloutJob,
  rolloutsOf,
} from '../tuning/rollouts.ts';
import type { OpenWorkers, RunWorkers, SharedRun } from '../tuning/run-workers.ts';
import { announcedRun } from './announced-run.ts';
import { fromMessage } from './canvas-message.ts';
import { machineKind } from './machine.ts';
import {
  type AnnouncedRun,
  jobId,
  type ResultMessage,
  type RolloutMessage,
  readMessage,
  registry,
  resultSchema,
  runKeys,
  writeMessage,
} from './messages.ts';
import { policyBytes, publishPolicy, removePolicy } from './policy.ts';
import { type Consumer, failure, type MessageQueue, type QueueServer } from './queue-server.ts';
import { ResultLog } from './result-log.ts';
import { withSharedRewards } from './shared-rewards.ts';
import { here, type SharedJob, SharedWork, type WorkShares } from './shared-work.ts';
import { WorkersFile } from './workers-file.ts';

/** The most bytes of trained weights that are sent through the server for each step. */
const mostPolicyBytes = 2 ** 30;
/** Seconds after which the server forgets a run whose trainer does not announce it again. */
const announcedSeconds = 600;
/** Milliseconds between two announcements. */
const announceEvery = 5_000;

/** The workers of a queue, for `startTuning` and `resumeTuning`. */
export const queueWorkers = (server: QueueServer): RunWorkers => ({
  async check(model, base) {
    const bytes = keptBytes(model.trained);
    if (bytes > mostPolicyBytes)
      throw new UsageError(
        `This run trains ${size(bytes)} of weights, which is too much to send to workers for every step (at most ${size(mostPolicyBytes)}); add --set adapter=lora.`,
      );
    if (base.adapter?.base.conversion)
      throw new UserError(
        `${base.name} converts an autoregressive model, which workers do not support; leave out --workers.`,
      );
  },
  open: (run) => RemoteRun.open(server, run),
});

class RemoteRun implements OpenWorkers {
  readonly task: Task;
  readonly #server: QueueServer;
  readonly #run: SharedRun;
  readonly #announced: AnnouncedRun;
  readonly #keys: ReturnType<typeof runKeys>;
  readonly #incarnation = randomUUID();
  readonly #queues: Readonly<Record<'rollouts' | 'rewards' | 'results', MessageQueue>>;
  readonly #log: ResultLog;
  readonly #rollouts: SharedWork<GeneratedBatch>;
  readonly #rewards: SharedWork<readonly (Reward | ScoringError)[]>;
  readonly #file: WorkersFile;
  readonly #kind: string;
  readonly #otherKinds = new Set<string>();
  /** Warnings that were given already. */
  readonly #warned = new Set<string>();
  readonly #timer: NodeJS.Timeout;
  #results: Consumer | undefined;
  /** Results since the last step that no group needed: repeated ones, and those of steps that are over. */
  #dropped = 0;
  /** Digests of the policies on the server, from old to new. */
  #policies: string[] = [];
  /** Whether the last command to the server failed. */
  #isLost = false;

  static async open(server: QueueServer, run: SharedRun): Promise<RemoteRun> {
    const announced = await announcedRun(run);
    const { task } = run;
    const remote = new RemoteRun(server, run, announced);
    await remote.#announce();
    remote.#results = server.consume(remote.#keys.results, (message) => remote.#accept(message));
    await run.job.run.log(`Sharing rollouts with the workers at ${server.address.text}.`);
    if (task.scorer.runsTests && !announced.rewards)
      await run.job.run.log(`Rewards of ${task.name} are computed on this machine only.`);
    return remote;
  }

  private constructor(server: QueueServer, run: SharedRun, announced: AnnouncedRun) {
    this.#server = server;
    this.#run = run;
    this.#announced = announced;
    this.#keys = runKeys(announced.id);
    const { rollouts, rewards, results } = this.#keys;
    this.#queues = { rollouts: server.queue(rollouts), rewards: server.queue(rewards), results: server.queue(results) };
    this.#log = new ResultLog(runFile(run.job.run.dir).workerResults);
    this.#kind = machineKind(run.model.engine);
    this.#file = new WorkersFile(server, run.job, announced.id);
    const shared = {
      known: (id: string) => this.#log.find(id),
      onFailure: (error: unknown) => this.#noteFailure(error),
    };
    this.#rollouts = new SharedWork({ ...shared, queue: this.#queues.rollouts, concurrency: 1 });
    this.#rewards = new SharedWork({ ...shared, queue: this.#queues.rewards, concurrency: availableParallelism() });
    this.task = announced.rewards ? withSharedRewards(run.task, announced.id, this.#rewards) : run.task;
    this.#timer = setInterval(() => void this.#announce(), announceEvery);
    this.#timer.unref();
  }

  generate: GenerateBatches = (batches, generateHere, { step, signal, weights }) => {
    const shared = this.#beginStep(step, batches, weights).then((policy) => {
      signal.throwIfAborted();
      return this.#rollouts.share(this.#rolloutJobs(batches, step, policy, generateHere), signal);
    });
    shared.catch(() => undefined);
    return batches.map(async (_, index) => (await shared)[index]!);
  };

  async offer(
    step: number,
    groups: readonly (readonly RolloutJob[])[],
    weights: PolicyWeights | undefined,
  ): Promise<void> {
    const policy = await this.#publish(groups, weights);
    const notHere = () => Promise.reject(new Error('a group of a later step is not computed before that step'));
    await this.#rollouts.offer(this.#rolloutJobs(groups, step, policy, notHere));
  }

  #rolloutJobs(
    batches: readonly (readonly RolloutJob[])[],
    step: number,
    policy: string,
    generateHere: GenerateHere,
  ): SharedJob<GeneratedBatch>[] {
    const { model } = this.#run;
    return batches.map((batch) => {
      const message = this.#rolloutMessage(batch, step, policy);
      return {
        id: jobId(message),
        message: writeMessage(message),
        step,
        computeHere: (stop) => generateHere(batch, stop),
        read: (result) => {
          if (result.kind !== 'rollouts' || result.canvases.length !== batch.length)
            throw new UserError('A result does not fit its job; it was dropped.');
          const { length } = message.decoding;
          const canvases = result.canvases.map((canvas) => fromMessage(canvas, length, model.config.vocab_size));
          return { rollouts: rolloutsOf(model, batch, canvases), tokens: result.tokens };
        },
      };
    });
  }

  takeMetrics(): Record<string, number> {
    const rollouts = this.#rollouts.takeShares();
    const rewards = this.#announced.rewards ? this.#rewards.takeShares() : null;
    const dropped = this.#dropped;
    this.#dropped = 0;
    return {
      ...(this.#run.staleness > 0 ? { 'off_policy/dropped': dropped } : {}),
      'time/wait_for_rollouts': rollouts.waitedSeconds,
      ...shareMetrics('rollouts', rollouts),
      ...(rewards ? { 'time/wait_for_rewards': rewards.waitedSeconds, ...shareMetrics('rewards', rewards) } : {}),
    };
  }

  async close({ finished }: { readonly finished: boolean }): Promise<void> {
    clearInterval(this.#timer);
    const { redis } = this.#server;
    const ignore = () => undefined;
    await redis.srem(registry.runs, this.#announced.id).catch(ignore);
    await redis.del(this.#keys.announcement).catch(ignore);
    await this.#results?.close();
    // The queues of a run that will be resumed may hold results that it can use.
    const queues = finished ? Object.values(this.#queues) : [this.#queues.rollouts, this.#queues.rewards];
    for (const queue of queues) await queue.remove().catch(ignore);
    for (const policy of this.#policies) await removePolicy(redis, this.#announced.id, policy).catch(ignore);
    await this.#file.write([]);
    await this.#log.close({ finished });
  }

  /** Prepares the files and the policy of a step, and returns the policy's digest. */
  async #beginStep(
    step: number,
    batches: readonly (readonly RolloutJob[])[],
    weights: PolicyWeights | undefined,
  ): Promise<string> {
    await this.#log.begin(step);
    return this.#publish(batches, weights);
  }

  /** Stores the policy that generates these groups on the server, and returns its digest. */
  async #publish(groups: readonly (readonly RolloutJob[])[], weights: PolicyWeights | undefined): Promise<string> {
    const { model, staleness, job } = this.#run;
    const policy = policyBytes(weights ?? (await model.readWeights()));
    const { redis } = this.#server;
    const { id: run, model: announced } = this.#announced;
    try {
      await this.#announce();
      const version = groups[0]![0]!.policyVersion;
      const kind = announced.adapter ? 'adapter' : 'full';
      await publishPolicy(redis, policy, {
        ...{ run, version, kind, incarnation: this.#incarnation },
        base: announced.digest,
      });
      if (!this.#policies.includes(policy.digest)) this.#policies.push(policy.digest);
      if (this.#policies.length > 2 + staleness)
        await removePolicy(redis, run, this.#policies.shift()!, this.#policies);
      if (this.#isLost) await job.run.log('The server of the workers answers again.');
      this.#isLost = false;
    } catch (error) {
      this.#noteFailure(error);
    }
    return policy.digest;
  }

  #rolloutMessage(batch: readonly RolloutJob[], step: number, policy: string): RolloutMessage {
    const [{ prompt, suffix = '', task, decoding }] = batch as [RolloutJob];
    if (batch.some((job) => job.prompt !== prompt)) throw new Error('a group has several prompts');
    const seeds = batch.map(({ seed }) => seed);
    return { kind: 'rollouts', run: this.#announced.id, step, task, prompt, suffix, policy, seeds, decoding };
  }

  /** Processes a message on the queue of results. It is acknowledged when this returns. */
  async #accept(message: string): Promise<void> {
    let result: ResultMessage;
    try {
      result = readMessage(resultSchema, message);
      const keep = (step: number | undefined) => this.#log.append(result, step);
      const isUsed = await (result.kind === 'rollouts' ? this.#rollouts : this.#rewards).accept(result, keep);
      if (isUsed) await this.#noteKind(result);
      else if (result.kind === 'rollouts') this.#dropped++;
    } catch (error) {
      // The job is computed by somebody else.
      await this.#warnOnce(messageOf(error));
    }
  }

  async #noteKind({ machine, worker }: ResultMessage): Promise<void> {
    if (machine === this.#kind || this.#otherKinds.has(machine)) return;
    this.#otherKinds.add(machine);
    await this.#run.job.warn(
      `The worker ${worker} is another kind of machine (${machine}) than this one (${this.#kind}), so the run is not exact to the last bit.`,
    );
  }

  /** Tells workers about the run, and notes in `workers.json` who is there. */
  async #announce(): Promise<void> {
    const { redis } = this.#server;
    try {
      await redis.set(this.#keys.announcement, writeMessage(this.#announced), 'EX', announcedSeconds);
      await redis.sadd(registry.runs, this.#announced.id);
      await this.#file.update();
    } catch (error) {
      this.#noteFailure(error);
    }
  }

  /** Warns once that the server does not answer, until it does again; and of a result that cannot be used. */
  #noteFailure(error: unknown): void {
    if (error instanceof UserError) {
      void this.#warnOnce(error.message);
      return;
    }
    if (this.#isLost) return;
    this.#isLost = true;
    const { message } = failure(error, this.#server.address);
    void this.#run.job.warn(`${message} Until then, this process computes everything itself.`).catch(() => undefined);
  }

  async #warnOnce(text: string): Promise<void> {
    if (this.#warned.has(text) || this.#warned.size > 100) return;
    this.#warned.add(text);
    await this.#run.job.warn(text).catch(() => undefined);
  }
}

/** The share of each worker in the jobs of a step, by name. */
function shareMetrics(kind: 'rollouts' | 'rewards', { jobs }: WorkShares): Record<string, number> {
  const total = [...jobs.values()].reduce((sum, count) => sum + count, 0);
  const names = new Set([here, ...jobs.keys()]);
  if (total === 0) return {};
  return Object.fromEntries([...names].map((name) => [`workers/${name}/${kind}`, (jobs.get(name) ?? 0) / total]));
}
