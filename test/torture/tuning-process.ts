import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { RunRequest } from '../../src/protocol/run.ts';
import { requestControl } from '../../src/runs/control.ts';
import { namesIn } from '../../src/runs/layout.ts';
import { readStatus } from '../../src/runs/reader.ts';
import { type Fault, isInjected } from './faults.ts';

const bundle = fileURLToPath(new URL('../../dist/unmask.mjs', import.meta.url));
const injector = new URL('inject-fault.mjs', import.meta.url).href;
/** Seconds after which a process counts as hung. A run takes two seconds on a quiet machine, and a hundred times as long on a busy one. */
const timeLimit = 600;
/** Seconds for a process that gets no more memory: Node and ONNX Runtime may hang then. */
const timeWithoutMemory = 60;
/** The free bytes below which a file that takes up space is not made smaller. */
const pageSize = 4096;

/** Folders of one tuning run under attack. */
export interface Place {
  readonly model: string;
  /** The data home. */
  readonly home: string;
  /** The folder that gets the run directory. */
  readonly runs: string;
  /** Bytes of the file system of `runs`, if it is a small one of its own. */
  readonly diskSize: number | null;
}

/** How a process with a fault ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly seconds: number;
  /** Whether the fault happened before the process ended. */
  readonly injected: boolean;
  /** File operations of the process; null if it was killed. */
  readonly operations: number | null;
}

/** Steps with rewards, updates, evaluations and checkpoints, each a few milliseconds. */
const settings = {
  ...{ prompts_per_step: 2, group_size: 6, inner_updates: 2, micro_batch: 4, learning_rate: 1e-3, warmup_steps: 2 },
  ...{ lr_schedule: 'cosine', evaluate_every: 2, evaluation_problems: 2, checkpoint_every: 1 },
};
const newRun = (place: Place): string[] => [
  ...['--task', 'sudoku4x4', '--model', place.model, '--runs', place.runs, '--steps', '6', '--seed', '3'],
  ...['--test', '2', ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`])],
];

/** The run directory of a place; null if no process got as far as writing its `run.json`. */
export async function runOf({ runs }: Place): Promise<string | null> {
  const names = (await namesIn(runs)).filter((name) => !name.startsWith('.') && name !== ballast);
  assert.ok(names.length < 2, `one run, not ${names.join(', ')}`);
  const [name] = names;
  if (name === undefined) return null;
  assert.ok((await namesIn(path.join(runs, name))).includes('run.json'), `${name} is not an empty folder`);
  return path.join(runs, name);
}

/** Starts the run of a place, or resumes it, in a new process of the built command line, and lets `fault` happen. */
export async function runWithFault(place: Place, fault: Fault | null): Promise<Ended> {
  const dir = await runOf(place);
  const log = path.join(place.home, 'fault.log');
  await rm(log, { force: true });
  await appendFile(log, '');
  if (fault?.kind === 'small-disk') await fillDisk(place, fault.free);
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [
      ...['--import', injector, bundle, 'tune', '--engine', 'onnx', '--device', 'cpu'],
      ...(dir === null ? newRun(place) : ['--resume', dir]),
    ],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        UNMASK_HOME: place.home,
        UNMASK_FAULT_LOG: log,
        UNMASK_FAULT: JSON.stringify(isInjected(fault) ? fault : { kind: 'none', at: 0 }),
      },
    },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
  const ended = new AbortController();
  const late = setTimeout(
    () => child.kill('SIGABRT'),
    1000 * (fault?.kind === 'memory' ? timeWithoutMemory : timeLimit),
  );
  const applied = applyFromOutside(place, fault, child.pid!, ended.signal);
  const [code, signal] = await closed;
  const seconds = (performance.now() - started) / 1000;
  ended.abort();
  clearTimeout(late);
  if (fault?.kind === 'small-disk') await rm(path.join(place.runs, ballast), { force: true });
  const notes = await readFile(log, 'utf8');
  assert.ok(signal !== 'SIGABRT' || fault?.kind === 'memory', `hung for ${timeLimit} s\n${stderr}`);
  return {
    ...{ code, signal, stderr, seconds },
    injected: (await applied) || notes.includes('injected') || (fault?.kind === 'small-disk' && code !== 0),
    operations: Number(/^operations (\d+)$/m.exec(notes)?.[1] ?? Number.NaN) || null,
  };
}

/** The file that fills a small file system. */
const ballast = 'ballast';

/** Leaves `free` bytes of a small file system. */
async function fillDisk({ runs, diskSize }: Place, free: number): Promise<void> {
  const file = path.join(runs, ballast);
  const used = await promisify(execFile)('du', ['-sk', runs]).then(({ stdout }) => 1024 * Number.parseInt(stdout, 10));
  const size = Math.max(0, diskSize! - used - free - pageSize);
  await writeFile(file, Buffer.alloc(size)).catch(() => undefined);
}

/** Causes the faults that come from outside the process. Returns whether it happened while the process was alive. */
async function applyFromOutside(place: Place, fault: Fault | null, pid: number, ended: AbortSignal): Promise<boolean> {
  if (fault === null || !('after' in fault)) return false;
  try {
    await delay(fault.after, undefined, { signal: ended });
    switch (fault.kind) {
      case 'signal':
        return process.kill(pid, fault.signal);
      case 'memory':
        return await limitMemory(pid, fault.bytes);
      case 'stop':
        await request(place, 'stop', ended);
        return true;
      default: {
        await request(place, 'pause', ended);
        await pausedState(place, ended);
        if (fault.kind === 'pause-kill') return process.kill(pid, 'SIGKILL');
        await request(place, 'run', ended);
        return true;
      }
    }
  } catch {
    // The process ended first.
    return false;
  }
}

/** Repeats a request until a process is there to read it. */
async function request(place: Place, want: RunRequest, ended: AbortSignal): Promise<void> {
  for (;;) {
    const dir = await runOf(place).catch(() => null);
    const made = dir !== null && (await requestControl(dir, want).catch(() => null));
    if (made) return;
    await delay(20, undefined, { signal: ended });
  }
}

/** Waits until a run has paused. Its status cannot be read while the process creates it. */
async function pausedState(place: Place, ended: AbortSignal): Promise<void> {
  for (;;) {
    const status = await runOf(place)
      .then((dir) => readStatus(dir!))
      .catch(() => null);
    if (status?.state === 'paused') return;
    await delay(20, undefined, { signal: ended });
  }
}

/** Lets a process allocate only `bytes` more (Linux). */
async function limitMemory(pid: number, bytes: number): Promise<boolean> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const data = 1024 * Number(/^VmData:\s+(\d+)/m.exec(status)![1]);
  await promisify(execFile)('prlimit', ['--pid', String(pid), `--data=${data + bytes}`]);
  return true;
}
