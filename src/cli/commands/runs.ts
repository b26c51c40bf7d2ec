import path from 'node:path';
import { UsageError, UserError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { activityParts } from '../../protocol/activity.ts';
import { requestControl } from '../../runs/control.ts';
import { deleteRun, findRun, readConfiguration, resumeCommand } from '../../runs/directory.ts';
import { lockHolder } from '../../runs/lock.ts';
import { listRuns } from '../../runs/reader.ts';
import type { AddCommand } from '../command.ts';

interface RunsOptions {
  readonly action: string;
  readonly run?: string;
  readonly runs?: string;
}

const requestsByAction = { pause: 'pause', resume: 'run', stop: 'stop' } as const;
const actions = ['list', ...Object.keys(requestsByAction), 'delete'];

export function addRuns(add: AddCommand): void {
  add<RunsOptions>('runs', 'List runs, or pause, resume, stop or delete one', async ({ action, run, runs: folder }) => {
    if (!actions.includes(action))
      throw new UsageError(`Unknown action ${action}; the actions are ${actions.join(', ')}.`);
    const root = folder === undefined ? path.join(dataHome(), 'runs') : path.resolve(folder);
    if (action !== 'list') {
      if (run === undefined)
        throw new UsageError(`unmask runs ${action} needs the name of a run; \`unmask runs list\` shows them.`);
      const dir = await findRun(root, run);
      if (action === 'delete') await deleteRun(dir);
      else if (action === 'resume' && (await lockHolder(dir)) === null) throw new UserError(await resumeHint(dir));
      else await requestControl(dir, requestsByAction[action as keyof typeof requestsByAction]);
    }
    const runs = await listRuns(root);
    return {
      document: { runs },
      lines:
        runs.length === 0
          ? [`No runs in ${root}; \`unmask tune\` starts one.`]
          : runs.map(
              ({ run, state, step, steps, ...live }) =>
                `${run.padEnd(60)} ${state.padEnd(12)} ${[`${step}${steps === null ? '' : `/${steps}`}`, ...activityParts({ state, ...live })].join('  ')}`,
            ),
    };
  })
    .argument('<action>', actions.join(', '))
    .argument('[run]', 'name or folder of a run')
    .option('--runs <folder>', 'folder of runs (default: in the data home)');
}

/** How to resume a run that no process works on: it is not paused, so it needs a new process. */
async function resumeHint(dir: string): Promise<string> {
  const command = resumeCommand(await readConfiguration(dir), dir);
  return `${dir} is not paused, because no process works on it; resume it with \`${command}\`.`;
}
