import { randomUUID } from 'node:crypto';
import { link, mkdir, open, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../platform/errors.ts';
import { writeJson, writing } from '../platform/files.ts';
import type { RunLock } from '../protocol/run.ts';
import { runFile } from './layout.ts';
import { isAlive, isBeforeBoot, startOfProcess } from './process-life.ts';
import { readRecordIfThere } from './read-record.ts';
import { runLockSchema } from './records.ts';

/** Locks that this process holds. A process ID alone is not enough: a restarted container may assign it again. */
const heldByThisProcess = new Set<string>();

/** The exclusive right to write a run directory, held until `release`. */
export interface HeldLock {
  readonly lock: RunLock;
  /** Whether this process still holds the lock: it may have been removed or taken over. */
  isHeld(): Promise<boolean>;
  /** Throws a `UserError` if this process no longer holds the lock. */
  assertHeld(): Promise<void>;
  release(): Promise<void>;
}

/**
 * Acquires the lock of a run directory. The lock of a dead process is replaced. If a running process or a process on
 * another machine holds it, this throws a `UserError` that names that process.
 */
export async function acquireLock(dir: string): Promise<HeldLock> {
  const file = runFile(dir).lock;
  const processStart = await startOfProcess(process.pid);
  const lock: RunLock = {
    pid: process.pid,
    host: hostname(),
    startedAt: new Date().toISOString(),
    token: randomUUID(),
    ...(processStart === null ? {} : { processStart }),
  };
  await writing(file, () => mkdir(dir, { recursive: true }));
  heldByThisProcess.add(lock.token);
  try {
    while (!(await writing(file, () => createExclusively(file, lock)))) {
      const other = await readRecordIfThere(file, runLockSchema);
      if (other === null) continue;
      if (await mayBeHeld(other)) throw new UserError(inUse(dir, other));
      if (await replaceStale(file, other, lock)) break;
    }
  } catch (error) {
    heldByThisProcess.delete(lock.token);
    throw error;
  }
  const isOurs = async () => (await readRecordIfThere(file, runLockSchema))?.token === lock.token;
  return {
    lock,
    isHeld: isOurs,
    async assertHeld() {
      if (await isOurs()) return;
      throw new UserError(`Another process took over ${dir}; this run stops so that the two do not mix.`);
    },
    async release() {
      heldByThisProcess.delete(lock.token);
      if (await isOurs()) await rm(file, { force: true });
    },
  };
}

/** The process that is writing a run directory; null if there is none. */
export async function lockHolder(dir: string): Promise<RunLock | null> {
  const lock = await readRecordIfThere(runFile(dir).lock, runLockSchema);
  return lock !== null && (await mayBeHeld(lock)) ? lock : null;
}

/** Throws a `UserError` that names the process if a run directory is in use. */
export async function assertNotInUse(dir: string): Promise<void> {
  const holder = await lockHolder(dir);
  if (holder) throw new UserError(inUse(dir, holder));
}

/** Whether a lock's process may still be running; this is always assumed for a process on another machine. */
async function mayBeHeld(lock: RunLock): Promise<boolean> {
  if (lock.host !== hostname()) return true;
  if (!isAlive(lock.pid)) return false;
  if (lock.pid === process.pid) return heldByThisProcess.has(lock.token);
  const start = await startOfProcess(lock.pid);
  if (start === null || lock.processStart === undefined) return !isBeforeBoot(lock.startedAt);
  return start === lock.processStart;
}

function inUse(dir: string, lock: RunLock): string {
  const here = lock.host === hostname();
  // If the start time is unknown, a later process with the same ID cannot be distinguished.
  const isCertain = here && (lock.pid === process.pid || lock.processStart !== undefined);
  const orRemove = isCertain ? '' : `, or remove ${runFile(dir).lock} if it has ended`;
  const advice = `${here ? 'stop that run first' : 'stop it there'}${orRemove}`;
  return `Run directory ${dir} is in use by process ${lock.pid}${here ? '' : ` on ${lock.host}`} since ${lock.startedAt}; ${advice}.`;
}

/** Creates the lock file atomically, with its content; false if it exists already. */
async function createExclusively(file: string, lock: RunLock): Promise<boolean> {
  const text = `${JSON.stringify(lock, null, 2)}\n`;
  const temporary = `${file}.${lock.token}`;
  try {
    await writeFile(temporary, text, { flush: true });
    await link(temporary, file);
    return true;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'EEXIST') return false;
    if (code === 'EPERM' || code === 'ENOTSUP' || code === 'ENOSYS' || code === 'EOPNOTSUPP' || code === 'EISDIR') {
      return createWithoutLink(file, text);
    }
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** For file systems without hard links (exFAT): a reader may see the file before its content is written. */
async function createWithoutLink(file: string, text: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx');
    await handle.writeFile(text);
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Replaces the lock of a dead process; false if another process was faster. The replacement is guarded by a second
 * lock, under which the first one is read again, so that a process that read the old lock cannot replace a new one.
 */
async function replaceStale(file: string, stale: RunLock, lock: RunLock): Promise<boolean> {
  const takeover = `${file}.takeover`;
  if (!(await createExclusively(takeover, lock))) {
    const taker = await readRecordIfThere(takeover, runLockSchema);
    if (taker !== null && !(await mayBeHeld(taker))) await rm(takeover, { force: true });
    await delay(5);
    return false;
  }
  try {
    const current = await readRecordIfThere(file, runLockSchema);
    if (current?.token !== stale.token) return false;
    await writeJson(file, lock);
    return true;
  } finally {
    await rm(takeover, { force: true });
  }
}
