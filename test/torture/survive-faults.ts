import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Random } from '../../src/platform/random.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { trajectoryOf } from '../training/run-files.ts';
import { drawFault, type Fault, type FaultKind, type FaultScale } from './faults.ts';
import { type Ended, type Place, runOf, runWithFault } from './tuning-process.ts';

export interface FaultOptions {
  /** Faults that must happen. */
  readonly faults: number;
  readonly seed: number;
  readonly kinds: readonly FaultKind[];
  /** Milliseconds that a slow flush takes. */
  readonly slowSync: number;
  readonly log?: (line: string) => void;
}

export interface FaultFigures {
  /** Faults that happened, of each kind. */
  readonly injected: ReadonlyMap<FaultKind, number>;
  /** Runs that ended on the trajectory of the run without a fault. */
  readonly runs: number;
  /** Kinds that this machine cannot have, with the reason. */
  readonly skipped: readonly string[];
}

/** Faults after which a run may go on to its end. */
const faultsPerRun = 8;
/** Bytes of the small file system. */
const diskSize = 8 * 2 ** 20;

/**
 * Tunes a tiny model again and again while faults happen, each run in a file system of its own where one can be mounted. After
 * each fault the run is resumed by a new process. At its end it must have the parameters, events and samples of a run without a
 * fault, byte for byte, and no other file. Throws an `AssertionError` otherwise.
 */
export async function surviveFaults(options: FaultOptions): Promise<FaultFigures> {
  const root = await mkdtemp(path.join(tmpdir(), 'unmask-torture-'));
  const model = await writeTinyCheckpoint(path.join(root, 'model'));
  const disk = await mountable(root);
  const skipped = [...(disk === true ? [] : [`small-disk: ${disk}`])];
  const kinds = options.kinds.filter((kind) => kind !== 'small-disk' || disk === true);
  if (kinds.includes('memory') && process.platform !== 'linux') skipped.push('memory: prlimit needs Linux');
  const possible = kinds.filter((kind) => kind !== 'memory' || process.platform === 'linux');
  const injected = new Map<FaultKind, number>();
  const inPlace = <T>(name: string, work: (place: Place) => Promise<T>) =>
    withPlace({ root, name, model, isMounted: disk === true }, work);
  let runs = 0;
  try {
    const [expected, scale] = await inPlace('whole', async (place) => {
      const ended = await runWithFault(place, null);
      assert.equal(ended.code, 0, ended.stderr);
      const dir = (await runOf(place))!;
      return [await traces(dir), await scaleOf(dir, ended, options.slowSync)] as const;
    });
    options.log?.(`without a fault: ${scale.operations} file operations in ${(scale.duration / 1000).toFixed(1)} s`);
    while (sum(injected.values()) < options.faults) {
      const random = new Random(options.seed, 'faults', runs);
      await inPlace(`run-${runs}`, async (place) => {
        const faults = await untilFinished(
          place,
          (count) =>
            count < faultsPerRun && sum(injected.values()) < options.faults ? drawFault(random, possible, scale) : null,
          (kind) => injected.set(kind, (injected.get(kind) ?? 0) + 1),
        );
        const history = `run ${runs} with seed ${options.seed}, faults ${JSON.stringify(faults)}`;
        assert.deepEqual(await traces((await runOf(place))!), expected, history);
        assert.deepEqual(await readdir(place.runs), [path.basename((await runOf(place))!)], history);
        options.log?.(`survived ${sum(injected.values())} faults: ${faults.map(({ kind }) => kind).join(', ')}`);
      });
      runs++;
    }
  } finally {
    await rm(root, { recursive: true, force: true });
  }
  return { injected, runs, skipped };
}

/** Starts and resumes the run of a place until a process ends with code 0. Returns the faults in their order. */
async function untilFinished(
  place: Place,
  next: (count: number) => Fault | null,
  happened: (kind: FaultKind) => void,
): Promise<Fault[]> {
  const faults: Fault[] = [];
  for (;;) {
    const fault = next(faults.length);
    const ended = await runWithFault(place, fault);
    if (fault !== null) {
      faults.push(fault);
      if (ended.injected) happened(fault.kind);
    }
    assertEndedWell(fault, ended);
    if (ended.code === 0) return faults;
    await age(place.runs);
  }
}

/** Asserts that a process ended as its fault allows, and that messages are sentences and not stack traces. */
function assertEndedWell(fault: Fault | null, { code, signal, stderr }: Ended): void {
  const what = `${JSON.stringify(fault)} ended with ${signal ?? code}\n${stderr}`;
  if (code === 0) return;
  assert.ok(fault !== null, what);
  // The engine's and Node's own messages, about memory, are not ours.
  if (fault.kind === 'memory') return;
  assert.doesNotMatch(stderr, /^\s+at .*:\d+/m, what);
  if (fault.kind === 'disk-full' || fault.kind === 'small-disk') assert.equal(code, 1, what);
  else if (fault.kind === 'stop' || (fault.kind === 'signal' && fault.signal !== 'SIGKILL'))
    // A signal that arrives while Node starts ends the process.
    assert.ok(code === 130 || signal !== null, what);
  else assert.equal(signal, 'SIGKILL', what);
  if (code !== null) assert.match(stderr, /unmask: .+[.)]\n$/, what);
}

/**
 * What a run must have at its end: its trajectory, and the names of all its files. A request may have been written after the run had
 * ended, by the process that pauses it.
 */
async function traces(dir: string) {
  const { ...trajectory } = await trajectoryOf(dir);
  const files = (await readdir(dir, { recursive: true })).filter((name) => name !== 'control.json').sort();
  return { ...trajectory, files };
}

/** Sets the times of all files an hour back, as if a user resumed the run later. */
async function age(folder: string): Promise<void> {
  const then = new Date(Date.now() - 3_600_000);
  for (const name of await readdir(folder, { recursive: true }))
    await utimes(path.join(folder, name), then, then).catch(() => undefined);
}

async function scaleOf(dir: string, { operations, seconds }: Ended, slowSync: number): Promise<FaultScale> {
  let bytes = 0;
  for (const name of await readdir(dir, { recursive: true })) bytes += (await stat(path.join(dir, name))).size;
  return { operations: operations!, duration: 1000 * seconds, bytes, slowSync };
}

interface PlaceOptions {
  readonly root: string;
  readonly name: string;
  readonly model: string;
  readonly isMounted: boolean;
}

/** Runs `work` with fresh folders, and removes them. */
async function withPlace<T>(
  { root, name, model, isMounted }: PlaceOptions,
  work: (place: Place) => Promise<T>,
): Promise<T> {
  const [home, runs] = ['home', 'runs'].map((folder) => path.join(root, name, folder)) as [string, string];
  for (const folder of [home, runs]) await mkdir(folder, { recursive: true });
  if (isMounted) await mount(runs);
  try {
    return await work({ model, home, runs, diskSize: isMounted ? diskSize : null });
  } finally {
    if (isMounted) await promisify(execFile)('umount', ['-l', runs]);
    await rm(path.join(root, name), { recursive: true, force: true });
  }
}

const mount = (folder: string) =>
  promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${diskSize}`, 'unmask-torture', folder]);

/** Whether a small file system can be mounted, or why not. */
async function mountable(root: string): Promise<true | string> {
  const folder = path.join(root, 'probe');
  await mkdir(folder);
  try {
    await mount(folder);
    await promisify(execFile)('umount', ['-l', folder]);
    return true;
  } catch {
    return 'a small file system cannot be mounted here (root is needed); disk-full injects the same error';
  }
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, each) => total + each, 0);
