import { rename } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { exists } from '../platform/files.ts';
import { checkDigests } from '../platform/folder-digests.ts';
import { type Checkpoint, listCheckpoints, recordedBest } from './checkpoints.ts';
import { namesIn, runFile, stepName } from './layout.ts';
import { acquireLock } from './lock.ts';

/** What `unmask runs check` says about one checkpoint. `whole` is null if the checkpoint has no digests. */
export interface CheckedCheckpoint {
  readonly step: number;
  readonly whole: boolean | null;
  readonly reason?: string;
}

/** The checkpoint that a run resumes from (null: none), and sentences about it for the user. */
export interface ResumePoint {
  readonly checkpoint: Checkpoint | null;
  readonly notes: readonly string[];
}

const notChecked = 'not checked, because it was written without digests';

/** Checks every checkpoint of a run, oldest first. Nothing is changed. */
export async function checkCheckpoints(dir: string): Promise<CheckedCheckpoint[]> {
  const checked: CheckedCheckpoint[] = [];
  for (const checkpoint of await listCheckpoints(dir)) {
    const check = await checkDigests(checkpoint.dir);
    // A running job may have removed the checkpoint meanwhile.
    if (!(await exists(checkpoint.dir))) continue;
    const { step } = checkpoint;
    if (check.state === 'whole') checked.push({ step, whole: true });
    else if (check.state === 'unrecorded') checked.push({ step, whole: null, reason: notChecked });
    else checked.push({ step, whole: false, reason: check.reason });
  }
  return checked;
}

/** The folders of damaged checkpoints that were set aside. */
export async function setAsideCheckpoints(dir: string): Promise<string[]> {
  return (await namesIn(runFile(dir).checkpoints)).filter((name) => name.startsWith('damaged-')).sort();
}

/**
 * The newest undamaged checkpoint of a run. Damaged ones that are newer are renamed to `damaged-step-NNNNNN`, as is a
 * damaged best one. Call it before a run is resumed, while no process writes the run.
 *
 * @throws UserError if the run has checkpoints and all of them are damaged; then nothing is renamed
 */
export async function findResumePoint(dir: string): Promise<ResumePoint> {
  const newestFirst = (await listCheckpoints(dir)).reverse();
  const damaged: (Checkpoint & { readonly reason: string })[] = [];
  for (const checkpoint of newestFirst) {
    const check = await checkDigests(checkpoint.dir);
    if (check.state === 'damaged') {
      damaged.push({ ...checkpoint, reason: check.reason });
      continue;
    }
    const notes: string[] = [];
    for (const { reason, ...each } of damaged) {
      const name = await setAside(dir, each);
      notes.push(
        `The checkpoint of step ${each.step} is damaged (${reason}); it was renamed to ${name}, and the run continues from step ${checkpoint.step}.`,
      );
    }
    if (check.state === 'unrecorded') notes.push(`The checkpoint of step ${checkpoint.step} was ${notChecked}.`);
    return { checkpoint, notes: [...notes, ...(await setAsideBest(dir, checkpoint))] };
  }
  if (damaged.length === 0) return { checkpoint: null, notes: [] };
  const list = damaged.map(({ step, reason }) => `step ${step}: ${reason}`).join('; ');
  throw new UserError(
    `No checkpoint of ${dir} is undamaged (${list}); restore one from a copy, or remove the folder ${runFile(dir).checkpoints} to start the run again from its first step.`,
  );
}

/** Sets the best checkpoint aside if it is damaged, as recorded in the one that the run resumes from. */
async function setAsideBest(dir: string, from: Checkpoint): Promise<string[]> {
  const step = await recordedBest(from);
  const best = (await listCheckpoints(dir)).find((each) => each.step === step && each.step < from.step);
  if (!best) return [];
  const check = await checkDigests(best.dir);
  if (check.state !== 'damaged') return [];
  const name = await setAside(dir, best);
  return [
    `The best checkpoint so far, of step ${best.step}, is damaged (${check.reason}); it was renamed to ${name}, and the last checkpoint is used as the best one until a later one is better.`,
  ];
}

async function setAside(dir: string, checkpoint: Checkpoint): Promise<string> {
  const lock = await acquireLock(dir);
  try {
    const folder = path.dirname(checkpoint.dir);
    const name = `damaged-${stepName(checkpoint.step)}`;
    for (let copy = 1; ; copy++) {
      const target = copy === 1 ? name : `${name}-${copy}`;
      if (await exists(path.join(folder, target))) continue;
      await rename(checkpoint.dir, path.join(folder, target));
      return target;
    }
  } finally {
    await lock.release();
  }
}
