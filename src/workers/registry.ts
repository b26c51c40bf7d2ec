import type { Redis } from 'ioredis';
import { UserError } from '../platform/errors.ts';
import {
  type AnnouncedRun,
  announcedRunSchema,
  readMessage,
  registry,
  runKeys,
  type WorkerRecord,
  workerSchema,
  writeMessage,
} from './messages.ts';

/** Seconds after which the server forgets a worker that does not register again. */
const registeredSeconds = 30;

/** The runs that want workers. Announcements that cannot be read are left out. */
export async function announcedRuns(redis: Redis): Promise<AnnouncedRun[]> {
  const runs = await readAll(redis, registry.runs, (id) => runKeys(id).announcement, announcedRunSchema);
  return runs.map(({ value }) => value);
}

/** The workers that are running, by name. */
export async function registeredWorkers(redis: Redis): Promise<WorkerRecord[]> {
  const workers = await readAll(redis, registry.workers, registry.worker, workerSchema);
  return workers.map(({ value }) => value).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export async function registerWorker(redis: Redis, record: WorkerRecord): Promise<void> {
  await redis.set(registry.worker(record.name), writeMessage(record), 'EX', registeredSeconds);
  await redis.sadd(registry.workers, record.name);
}

export async function unregisterWorker(redis: Redis, name: string): Promise<void> {
  await redis.del(registry.worker(name));
  await redis.srem(registry.workers, name);
}

/** Reads the records of a set's members. Members whose record has expired are removed from the set. */
async function readAll<T>(
  redis: Redis,
  set: string,
  keyOf: (member: string) => string,
  schema: Parameters<typeof readMessage<T>>[0],
): Promise<{ readonly member: string; readonly value: T }[]> {
  const found: { readonly member: string; readonly value: T }[] = [];
  for (const member of await redis.smembers(set)) {
    const stored = await redis.get(keyOf(member));
    if (stored === null) {
      // A user who may only read the set leaves it to others.
      await redis.srem(set, member).catch(() => 0);
      continue;
    }
    try {
      found.push({ member, value: readMessage(schema, stored) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
  }
  return found;
}
