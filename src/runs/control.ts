import { randomUUID } from 'node:crypto';
import { UserError } from '../platform/errors.ts';
import { writeJson } from '../platform/files.ts';
import type { RunControl, RunRequest } from '../protocol/run.ts';
import { runFile } from './layout.ts';
import { lockHolder } from './lock.ts';
import { readRecordIfThere } from './read-record.ts';
import { runControlSchema } from './records.ts';

/**
 * Asks the job of a run directory to continue, pause or stop; returns the request's id, which `status.json` repeats when
 * the job has obeyed it. The id begins with `asker`, so that others can see who asked. Throws a `UserError` if no process
 * runs the job, because none would read the request.
 */
export async function requestControl(dir: string, want: RunRequest, requester?: string): Promise<string> {
  if ((await lockHolder(dir)) === null) {
    throw new UserError(`No process runs ${dir}, so there is nothing to ${want}; resume the run to continue it.`);
  }
  const control: RunControl = { want, id: [requester, randomUUID()].filter(Boolean).join(':') };
  await writeJson(runFile(dir).control, control);
  return control.id;
}

/** The last request that was made of a run; null where there is none. */
export async function readControl(dir: string): Promise<RunControl | null> {
  return readRecordIfThere(runFile(dir).control, runControlSchema);
}
