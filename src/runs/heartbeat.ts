import { Worker } from 'node:worker_threads';
import { runFile } from './layout.ts';

/** Milliseconds between two heartbeats. */
const beatEvery = 2_000;
/** Milliseconds between two notes of the main thread that its event loop runs. */
const writeInterval = 250;
/** Milliseconds without such a note after which the main thread counts as busy. */
const busyAfter = 1_500;
/** Milliseconds that the thread gets to end by itself. */
const patience = 2_000;

export interface Heartbeat {
  /** Ends the thread and removes `heartbeat.json`. */
  stop(): Promise<void>;
}

/**
 * Starts the thread that writes `heartbeat.json` of a run directory, and is its only writer. An engine blocks the main
 * thread for the whole of a computation; this thread holds no engine, so it can always say that the process is alive and
 * since when the main thread has been busy. It does not keep the process from ending.
 */
export function startHeartbeat(dir: string): Heartbeat {
  const answered = new SharedArrayBuffer(8);
  const lastNote = new BigInt64Array(answered);
  // A clock that does not jump, and is the same in all threads.
  const note = () => void Atomics.store(lastNote, 0, process.hrtime.bigint());
  note();
  const timer = setInterval(note, writeInterval).unref();
  const worker = new Worker(new URL('./heartbeat-thread.mjs', import.meta.url), {
    workerData: { file: runFile(dir).heartbeat, answered, every: beatEvery, busyAfter },
    // Loaders of the main thread, as in the tests, are of no use there and slow to start.
    execArgv: [],
    env: {},
  });
  worker.unref();
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  // A run continues without the thread; readers then rely on the heartbeat in `status.json`.
  worker.on('error', () => undefined);
  return {
    async stop() {
      clearInterval(timer);
      worker.postMessage('stop');
      const late = setTimeout(() => void worker.terminate(), patience);
      await ended;
      clearTimeout(late);
    },
  };
}
