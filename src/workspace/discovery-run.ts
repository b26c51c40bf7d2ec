import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { contentDigest } from '../platform/content-digest.ts';
import { Interrupted, UserError } from '../platform/errors.ts';
import { writeAtomic } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { DiscoveryDocument } from '../protocol/discovery.ts';
import { splitByContent } from '../protocol/row-split.ts';
import { RunWriter } from '../runs/writer.ts';
import { functionKeys } from './content-keys.ts';
import { type Discovery, type DiscoveryHooks, discover, type TestedFunction } from './discover.ts';

export interface DiscoveryRunHooks extends Pick<DiscoveryHooks, 'signal' | 'onProgress' | 'command'> {
  readonly onStart?: (run: RunWriter) => void;
}

/**
 * Finds the functions of a workspace that its tests guard, as a job with a run directory under `root`: it can be watched,
 * paused and stopped. Stopped and begun anew, it makes no run of tests twice, for their verdicts are kept.
 */
export async function startDiscovery(
  root: string,
  workspace: string,
  { signal, onProgress, onStart, command = null }: DiscoveryRunHooks = {},
): Promise<DiscoveryDocument> {
  const begin = performance.now();
  // What cannot work is found before a run directory is made.
  await assertFolder(workspace);
  const run = await RunWriter.create(root, {
    kind: 'discover',
    task: 'workspace',
    model: null,
    objective: null,
    seed: 0,
    steps: null,
    settings: { workspace: path.resolve(workspace), command },
    device: { engine: 'none', device: 'none' },
    versions: { unmask: packageVersion(), node: process.versions.node },
  });
  onStart?.(run);
  try {
    const found = await discover(workspace, {
      signal,
      command,
      onProgress: (done, total, what) => {
        onProgress?.(done, total, what);
        void run.progress(done, null);
      },
      betweenFunctions: async () => {
        const wish = signal?.aborted ? 'stop' : await run.wish();
        if (wish === 'stop' || (wish === 'pause' && (await run.whilePaused(signal)) === 'stop'))
          throw new Interrupted('Stopped; begun anew, it goes on from what is known by now.');
      },
    });
    const document = await writeResult(run, found, (performance.now() - begin) / 1000);
    await run.close('finished');
    return document;
  } catch (error) {
    await run.close(error instanceof Interrupted ? 'interrupted' : 'failed', error);
    throw error;
  }
}

async function assertFolder(workspace: string): Promise<void> {
  const entry = await stat(workspace).catch(() => null);
  if (entry === null) throw new UserError(`The workspace ${workspace} does not exist; check the path.`);
  if (!entry.isDirectory()) throw new UserError(`The workspace ${workspace} is not a folder; give one.`);
}

async function writeResult(run: RunWriter, found: Discovery, seconds: number): Promise<DiscoveryDocument> {
  const tasks = mixed(found.tasks);
  const [data, heldOut] = ['tasks.jsonl', 'held-out.jsonl'].map((name) => path.join(run.dir, name)) as [string, string];
  await writeAtomic(data, lines(tasks));
  const keys = tasks.map((task) => functionKeys(task).map(contentDigest));
  const parts = splitByContent(keys);
  await writeAtomic(heldOut, lines(tasks.filter((_, index) => parts[index] !== 'training')));
  const { workspace, runner, tests, functions, leftOut, runs } = found;
  const document: DiscoveryDocument = {
    run: run.configuration.name,
    dir: run.dir,
    workspace,
    runner,
    tests,
    functions,
    tasks: tasks.map((task, index) => ({
      file: task.file,
      function: task.function,
      line: task.line,
      heldOut: parts[index] !== 'training',
      part: parts[index]!,
      keys: keys[index]!,
      tests: Object.fromEntries(task.guards.map((guard) => [guard.testFile, guard.tests])),
    })),
    leftOut,
    runs,
    seconds,
    data,
    heldOut,
  };
  await run.result(document);
  return document;
}

/** In an order that follows from names alone and has nothing to do with where a function stands. */
function mixed(tasks: readonly TestedFunction[]): TestedFunction[] {
  const place = (task: TestedFunction) =>
    createHash('sha256').update(`${task.file}\0${task.function}\0${task.prefix.length}`).digest('hex');
  return [...tasks].sort((a, b) => (place(a) < place(b) ? -1 : 1));
}

const lines = (tasks: readonly TestedFunction[]): string => tasks.map((task) => `${JSON.stringify(task)}\n`).join('');
