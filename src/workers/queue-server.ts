/** The Redis server of a queue: its connections, its checks, and its failures as sentences. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { messageOf, UserError } from '../platform/errors.ts';
import { printableLine } from '../protocol/printable.ts';
import { credentialVariables, type QueueAddress } from './address.ts';

/** All keys on the server begin with it. */
export const keyPrefix = 'unmask';

/** The oldest version of Redis that BullMQ recommends. */
const oldestRedis = [6, 2] as const;
const connectTimeout = 5_000;
/** Milliseconds that a command may take. Commands that wait for a job use another connection. */
const commandTimeout = 20_000;
/** A job that its worker does not renew for this time is given to another worker. */
const lockDuration = 30_000;
/** How often a job may be given to another worker because its worker died. */
const mostStalls = 3;
/** Quarters of a second without a server after which a consumer does not wait for it any more. */
const lostLooks = 8;
/** How often a job is tried again if its computation reports an error. */
const attempts = 5;

/** A message on a queue. BullMQ stores it as JSON. */
interface StoredMessage {
  readonly message: string;
}

/** A queue of messages. Messages with the same id are on it only once. */
export interface MessageQueue {
  add(messages: readonly { readonly id?: string; readonly message: string }[]): Promise<void>;
  /** Removes a message; false if a worker is processing it. */
  takeBack(id: string): Promise<boolean>;
  /** Deletes the queue with all its messages. */
  remove(): Promise<void>;
  close(): Promise<void>;
}

/** A consumer of a queue, which processes one message at a time. */
export interface Consumer {
  /** Waits for the message that is being processed. */
  close(): Promise<void>;
}

export interface QueueServer {
  readonly address: QueueAddress;
  /** Commands on this connection fail at once while the server cannot be reached. */
  readonly redis: Redis;
  queue(name: string): MessageQueue;
  /** Calls `process` for each message; if it throws, the message is tried again, also by others. */
  consume(name: string, process: (message: string, id: string) => Promise<void>): Consumer;
  close(): Promise<void>;
}

/** Connects to a queue and checks its server. Throws a `UserError` if it cannot be used. */
export async function openQueueServer(
  address: QueueAddress,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<QueueServer> {
  const library = await import('./bullmq.ts');
  const options = {
    host: address.host,
    port: address.port,
    db: address.database,
    ...(environment[credentialVariables.username] ? { username: environment[credentialVariables.username] } : {}),
    ...(environment[credentialVariables.password] ? { password: environment[credentialVariables.password] } : {}),
    ...(address.tls ? { tls: {} } : {}),
    connectTimeout,
    retryStrategy: (times: number) => Math.min(100 * times, 2_000),
  };
  await checkServer(new library.Redis({ ...options, lazyConnect: true, retryStrategy: () => null }), address);
  const redis = new library.Redis({
    ...options,
    lazyConnect: true,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout,
  });
  // Each command reports its own failure.
  redis.on('error', () => undefined);
  await redis.connect().catch((error: unknown) => {
    throw failure(error, address);
  });
  const opened: { close(): Promise<void> }[] = [];
  return {
    address,
    redis,
    queue(name) {
      const queue: Queue<StoredMessage> = new library.Queue(name, { connection: redis, prefix: keyPrefix });
      queue.on('error', () => undefined);
      const shared = messageQueue(queue);
      opened.push(shared);
      return shared;
    },
    consume(name, process) {
      const worker: Worker<StoredMessage> = new library.Worker(name, (job) => processJob(job, process), {
        connection: { ...options, maxRetriesPerRequest: null },
        prefix: keyPrefix,
        concurrency: 1,
        lockDuration,
        maxStalledCount: mostStalls,
        removeOnComplete: { count: 0 },
        removeOnFail: { count: 0 },
      });
      worker.on('error', () => undefined);
      let closed: Promise<void> | undefined;
      const consumer = { close: () => (closed ??= closeWorker(worker, redis)) };
      opened.push(consumer);
      return consumer;
    },
    async close() {
      await Promise.all(opened.map((each) => each.close()));
      redis.disconnect();
    },
  };
}

function messageQueue(queue: Queue<StoredMessage>): MessageQueue {
  let closed: Promise<void> | undefined;
  return {
    async add(messages) {
      await queue.addBulk(
        messages.map(({ id, message }) => ({
          name: 'message',
          data: { message },
          opts: { ...(id ? { jobId: id } : {}), attempts, removeOnComplete: true, removeOnFail: true },
        })),
      );
    },
    takeBack: async (id) => (await queue.remove(id)) === 1,
    remove: () => queue.obliterate({ force: true }),
    close: () => (closed ??= queue.close().catch(() => undefined)),
  };
}

/** Waits for the job that a consumer processes, unless the server cannot be reached, which then has to give the job to others. */
async function closeWorker(worker: Worker<StoredMessage>, redis: Redis): Promise<void> {
  const isLost = () => redis.status !== 'ready';
  const closing = worker.close(isLost()).then(
    () => true,
    () => true,
  );
  for (let looks = 0; !(await Promise.race([closing, delay(250, false)])); ) {
    looks = isLost() ? looks + 1 : 0;
    if (looks === lostLooks) return;
  }
}

async function processJob(
  job: Job<StoredMessage>,
  process: (message: string, id: string) => Promise<void>,
): Promise<void> {
  const { message } = job.data as { readonly message?: unknown };
  await process(typeof message === 'string' ? message : '', job.id ?? '');
}

/** Checks version and settings of the server, and closes the connection. */
async function checkServer(redis: Redis, address: QueueAddress): Promise<void> {
  let reason: unknown;
  redis.on('error', (error) => {
    reason ??= error;
  });
  try {
    await redis.connect();
    const info = await redis.info();
    const version = /^redis_version:(\d+)\.(\d+)/m.exec(info)?.slice(1).map(Number) ?? [0, 0];
    if (version[0]! < oldestRedis[0] || (version[0] === oldestRedis[0] && version[1]! < oldestRedis[1]))
      throw new UserError(
        `The server at ${address.text} is Redis ${version.join('.')}, which is too old; use Redis ${oldestRedis.join('.')} or newer.`,
      );
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown';
    if (policy !== 'noeviction')
      throw new UserError(
        `The server at ${address.text} may delete jobs when its memory is full (maxmemory-policy ${policy}); set maxmemory-policy noeviction.`,
      );
  } catch (error) {
    throw failure(reason ?? error, address);
  } finally {
    redis.disconnect();
  }
}

/** What is wrong with the server, as one sentence. */
export function failure(error: unknown, { text, host }: QueueAddress): UserError {
  if (error instanceof UserError) return error;
  const message = printableLine(messageOf(error)).replace(/\.$/, '');
  if (/NOAUTH|WRONGPASS|invalid password|without any password/i.test(message))
    return new UserError(
      `The server at ${text} refused the password; set ${credentialVariables.password}, and ${credentialVariables.username} if the user is not "default".`,
    );
  if (/NOPERM/.test(message))
    return new UserError(
      `The Redis user may not do what is needed at ${text} (${message}); give it the rights in docs/scaling.md.`,
    );
  if (/^OOM\b/.test(message))
    return new UserError(`The server at ${text} has no memory left; raise its maxmemory, or delete other data on it.`);
  if (/ENOTFOUND|EAI_AGAIN/.test(message))
    return new UserError(`There is no host ${host}; check the address of the queue.`);
  return new UserError(`The server at ${text} cannot be reached (${message}); start it, or check the address.`);
}
