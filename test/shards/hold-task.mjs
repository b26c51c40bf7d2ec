/**
 * Loaded into every task of a job array: the tasks in UNMASK_HELD_TASKS stop for good when their first part is written and not yet
 * renamed, which is the worst moment to be killed. Each then leaves a file `held-INDEX` in UNMASK_HELD_FOLDER.
 */
import fs, { writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';

const { UNMASK_HELD_TASKS: held, UNMASK_HELD_FOLDER: folder = '', SLURM_ARRAY_TASK_ID: task = '' } = process.env;

if (held?.split(',').includes(task)) {
  const { rename } = fs;
  /** @type {any} */ (fs).rename = (
    /** @type {string} */ from,
    /** @type {string} */ to,
    /** @type {import('node:fs').NoParamCallback} */ done,
  ) => {
    if (!/^part-\d+\.json$/.test(path.basename(String(to)))) return rename(from, to, done);
    writeFileSync(path.join(folder, `held-${task}`), '');
    setInterval(() => undefined, 1_000);
  };
  syncBuiltinESMExports();
}
