import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { contentDigest } from '../platform/content-digest.ts';
import { UserError } from '../platform/errors.ts';
import { writeAtomic } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { DiscoveryDocument } from '../protocol/discovery.ts';
import { splitByContent } from '../protocol/row-split.ts';
import { type JobHooks, runJob } from '../runs/run-job.ts';
import type { RunWriter } from '../runs/writer.ts';
import { functionKeys } from './content-keys.ts';
import { type Discovery, discover } from './discover.ts';
import type { DiscoveryHooks } from './discovery-work.ts';
import type { TestedFunction } from './tested-function.ts';

export interface DiscoveryRunHooks extends JobHooks, Pick<DiscoveryHooks, 'onProgress' | 'command'> {}

/**
 * Finds the functions of a workspace that its tests cover, as a job with a run directory under `root`: it can be watched,
 * paused and stopped. If it is stopped and started again, no test run is repeated, because verdicts are kept.
 */
export async function startDiscovery(
  root: string,
  workspace: string,
  { onProgress, command = null, ...hooks }: DiscoveryRunHooks = {},
): Promise<DiscoveryDocument> {
  const begin = performance.now();
  // Problems of the request are reported before a run directory is made.
  await assertFolder(workspace);
  const run = {
    kind: 'discover',
    task: 'workspace',
    model: null,
    objective: null,
    seed: 0,
    steps: null,
    settings: { workspace: path.resolve(workspace), command },
    device: { engine: 'none', device: 'none' },
    versions: { unmask: packageVersion(), node: process.versions.node },
  } as const;
  return runJob({
    location: { root, run },
    hooks,
    async work(job) {
      await job.run.progress(0, null);
      const found = await discover(workspace, {
        signal: job.signal,
        command,
        onProgress: (done, total, what) => {
          onProgress?.(done, total, what);
          void job.run.progress(done, null).catch(() => undefined);
          job.reportProgress({ text: `${what} ${done} of ${total}`, counts: [{ name: what, done, total }], eta: null });
        },
        betweenFunctions: () => job.betweenSteps(),
      });
      return writeResult(job.run, found, (performance.now() - begin) / 1000);
    },
  });
}

async function assertFolder(workspace: string): Promise<void> {
  const entry = await stat(workspace).catch(() => null);
  if (entry === null) throw new UserError(`The workspace ${workspace} does not exist; check the path.`);
  if (!entry.isDirectory())
    throw new UserError(`The workspace ${workspace} is not a folder; give the path of a folder.`);
}

/** Writes the functions that were found, and returns what becomes `result.json`. */
async function writeResult(run: RunWriter, found: Discovery, seconds: number): Promise<DiscoveryDocument> {
  const checkable = new Set(found.tasks.filter((_, index) => found.checkable[index]));
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
      checkable: checkable.has(task),
    })),
    leftOut,
    runs,
    seconds,
    data,
    heldOut,
  };
  return document;
}

/** Sorts functions by a digest of their names, so that the order is the same everywhere and mixes files. */
function mixed(tasks: readonly TestedFunction[]): TestedFunction[] {
  const location = (task: TestedFunction) =>
    createHash('sha256').update(`${task.file}\0${task.function}\0${task.prefix.length}`).digest('hex');
  return [...tasks].sort((a, b) => (location(a) < location(b) ? -1 : 1));
}

const lines = (tasks: readonly TestedFunction[]): string => tasks.map((task) => `${JSON.stringify(task)}\n`).join('');
