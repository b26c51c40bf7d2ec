import { randomUUID } from 'node:crypto';
import { lstat, mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { writeJson, writing } from '../platform/files.ts';
import type { RunConfiguration } from '../protocol/run.ts';
import { listCheckpoints, runsThatUse } from './checkpoints.ts';
import { filterJsonLines, keepFirstLines } from './json-lines.ts';
import { namesIn, runFile, stepName, stepOf, stepsIn } from './layout.ts';
import { isLeftBehind } from './left-behind.ts';
import { acquireLock } from './lock.ts';
import { readRecord } from './read-record.ts';
import { runConfigurationSchema, runEventSchema } from './records.ts';

/** The fields of `run.json` that the caller sets; the others are filled in. */
export type NewRun = Omit<RunConfiguration, 'schema' | 'name' | 'createdAt'> & { readonly name?: string };

/**
 * Creates a run directory under `root` with its `run.json`. Its name begins with the UTC time in milliseconds, so names
 * sort by age; two runs that start in the same millisecond get different names.
 */
export async function createRunDirectory(root: string, run: NewRun): Promise<string> {
  await writing(root, () => mkdir(root, { recursive: true }));
  const what = [run.kind === 'tune' ? null : run.kind, run.task, run.objective].filter(Boolean).join('-');
  for (let instant = Date.now(); ; instant++) {
    const createdAt = new Date(instant).toISOString();
    const name = [createdAt.replace(/[-:Z]/g, '').replace(/[T.]/g, '-'), slug(what)].filter(Boolean).join('-');
    const dir = path.join(root, name);
    const configuration: RunConfiguration = { ...run, schema: 1, name: run.name ?? name, createdAt };
    if (await writing(dir, () => makeRunFolder(dir, configuration))) return dir;
  }
}

export async function readConfiguration(dir: string): Promise<RunConfiguration> {
  return readRecord(runFile(dir).configuration, runConfigurationSchema);
}

/** Changes the number of steps of a run that is at step `at`. Only the holder of the run's lock may call it. */
export async function changeSteps(
  dir: string,
  configuration: RunConfiguration,
  at: number,
  steps: number,
): Promise<RunConfiguration> {
  const { steps: from, stepsChanged = [] } = configuration;
  const changed = { ...configuration, steps, stepsChanged: [...stepsChanged, { at, from, to: steps }] };
  await writeJson(runFile(dir).configuration, changed);
  return changed;
}

/** The directory of a run, from a folder name under `root` or a path. `command` is the command that lists these runs. */
export async function findRun(root: string, run: string, command: 'runs' | 'evaluations' = 'runs'): Promise<string> {
  for (const dir of [path.join(root, run), path.resolve(run)]) {
    if ((await lstat(runFile(dir).configuration).catch(() => null)) !== null) return dir;
  }
  throw new UserError(
    `There is no ${command.slice(0, -1)} ${run} in ${root}, and it is not the path of one; \`unmask ${command} list\` lists them.`,
  );
}

/** The command that resumes a run in a new process. */
export function resumeCommand(
  { kind, settings }: Pick<RunConfiguration, 'kind'> & Partial<Pick<RunConfiguration, 'settings'>>,
  dir: string,
): string {
  // Discovery restarts, but its verdicts are cached by content, so no work is repeated.
  if (kind === 'discover') return `unmask discover --workspace ${JSON.stringify(settings?.workspace)}`;
  const command: Partial<Record<typeof kind, string>> = { evaluate: 'eval', 'fine-tune': 'learn' };
  return `unmask ${command[kind] ?? kind} --resume ${dir}`;
}

/**
 * Takes a run back to the end of a step, for a job that continues from there: removes the events, samples, answers and
 * checkpoints of later steps, so that the resumed log holds each step once. A step of an evaluation is one answer. From
 * step 0 a job starts again, so the measurements before its first step are removed too. Only the holder of the run's lock
 * may call it.
 */
export async function rewindRun(dir: string, step: number): Promise<void> {
  const files = runFile(dir);
  await filterJsonLines(files.events, runEventSchema, (event) => step > 0 && event.step <= step);
  await keepFirstLines(files.answers, step);
  for (const name of await namesIn(files.samples)) {
    if ((stepOf(name) ?? 0) > step) await rm(path.join(files.samples, name), { force: true });
  }
  for (const later of (await stepsIn(files.checkpoints)).filter((other) => other > step)) {
    await rm(path.join(files.checkpoints, stepName(later)), { recursive: true, force: true, maxRetries: 5 });
  }
  await rm(files.result, { force: true });
}

/** Deletes a run directory. Throws a `UserError` if it is not one, is in use, or has a base that other runs need. */
export async function deleteRun(dir: string): Promise<void> {
  const entry = await lstat(dir).catch(() => null);
  if (!entry?.isDirectory()) throw new UserError(`${dir} is not a folder; nothing was deleted.`);
  await readConfiguration(dir);
  for (const checkpoint of await listCheckpoints(dir)) {
    const [other] = await runsThatUse(checkpoint.dir);
    if (other !== undefined)
      throw new UserError(
        `The adapters of ${other} need step ${checkpoint.step} of ${dir} as their base; delete that run first, or merge it with \`unmask merge\`.`,
      );
  }
  const held = await acquireLock(dir);
  try {
    // The configuration is deleted last, so that a run whose deletion was interrupted can still be deleted. The lock is
    // kept until the end, so that no process starts to write into the run.
    for (const name of await namesIn(dir)) {
      if (name === 'lock.json' || name === 'run.json') continue;
      await rm(path.join(dir, name), { recursive: true, force: true, maxRetries: 5 });
    }
    await rm(runFile(dir).configuration, { force: true });
  } finally {
    await held.release();
  }
  await rm(dir, { recursive: true, force: true, maxRetries: 5 });
}

/**
 * Makes a run directory with its `run.json`, or nothing: a process that is killed in between leaves a hidden folder, which
 * the next one removes. Returns false if the directory exists.
 */
async function makeRunFolder(dir: string, configuration: RunConfiguration): Promise<boolean> {
  if ((await lstat(dir).catch(() => null)) !== null) return false;
  const root = path.dirname(dir);
  await removeUnfinishedRunFolders(root);
  const unfinished = path.join(root, `${unfinishedRun}${randomUUID()}`);
  try {
    await mkdir(unfinished);
    await writeJson(runFile(unfinished).configuration, configuration);
    await rename(unfinished, dir);
    return true;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another process made a directory of the same name in the meantime.
    if (['EEXIST', 'ENOTEMPTY'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

/** The beginning of the names of folders that are going to be run directories. */
const unfinishedRun = '.new-run-';

async function removeUnfinishedRunFolders(root: string): Promise<void> {
  for (const name of await namesIn(root)) {
    const folder = path.join(root, name);
    if (name.startsWith(unfinishedRun) && (await isLeftBehind(folder)))
      await rm(folder, { recursive: true, force: true });
  }
}

/** Reduces a text to characters that are valid in a folder name on every platform. */
function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
}
