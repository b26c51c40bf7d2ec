/**
 * The heartbeat thread of a job (see `heartbeat.ts`): writes `heartbeat.json` at a fixed interval, whatever the main
 * thread computes. It is plain JavaScript, because a worker thread starts from a file that Node can load as it is; the
 * build copies it into `dist/`.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {{ file: string, answered: SharedArrayBuffer, every: number, busyAfter: number }} */
const { file, answered, every, busyAfter } = workerData;
/** When the main thread's event loop last ran, in nanoseconds of `process.hrtime`, which does not jump and is the same in all threads. */
const lastNote = new BigInt64Array(answered);
const temporary = `${file}.${process.pid}`;

let last = { time: performance.now(), usage: process.cpuUsage() };

function beat() {
  const now = Date.now();
  const monotonic = process.hrtime.bigint();
  const busyFor = Number(monotonic - Atomics.load(lastNote, 0)) / 1e6;
  const { user, system } = process.cpuUsage(last.usage);
  const elapsed = performance.now() - last.time;
  const cores = elapsed > 0 ? (user + system) / 1000 / elapsed : 0;
  last = { time: performance.now(), usage: process.cpuUsage() };
  const record = {
    time: new Date(now).toISOString(),
    monotonic: Number(monotonic / 1_000_000n),
    pid: process.pid,
    busySince: busyFor > busyAfter ? new Date(now - busyFor).toISOString() : null,
    cores: Math.round(100 * cores) / 100,
  };
  try {
    writeFileSync(temporary, `${JSON.stringify(record)}\n`);
    renameSync(temporary, file);
  } catch {
    // A full disk, or a reader on Windows: the next beat tries again, and the main thread reports what it cannot write.
  }
}

beat();
const timer = setInterval(beat, every);
parentPort?.once('message', () => {
  clearInterval(timer);
  rmSync(temporary, { force: true });
  rmSync(file, { force: true });
  parentPort?.close();
});
