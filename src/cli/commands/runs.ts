import path from 'node:path';
import { Option } from 'commander';
import { UsageError, UserError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { activityParts } from '../../protocol/activity.ts';
import type { RunSummary } from '../../protocol/run.ts';
import { requestControl } from '../../runs/control.ts';
import { deleteRun, findRun, readConfiguration, resumeCommand } from '../../runs/directory.ts';
import { changeLabels, type LabelChange } from '../../runs/labels.ts';
import { lockHolder } from '../../runs/lock.ts';
import { listRuns } from '../../runs/reader.ts';
import { checkCheckpoints, setAsideCheckpoints } from '../../runs/whole-checkpoints.ts';
import {
  type ActionsOfOptions,
  type AddCommand,
  type CommandContext,
  type CommandResult,
  refuseOtherActions,
} from '../command.ts';
import { exportRun, type Tracker, trackers } from '../export-run.ts';

interface RunsOptions {
  readonly action: string;
  readonly run?: string;
  readonly words: readonly string[];
  readonly runs?: string;
  readonly remove?: boolean;
  readonly to?: Tracker;
  readonly out?: string;
}

const requestsByAction = { pause: 'pause', resume: 'run', stop: 'stop' } as const;
const labelActions = ['rename', 'tag', 'note'];
const actions = ['list', ...Object.keys(requestsByAction), 'delete', 'check', ...labelActions, 'export'];

const actionsOf: ActionsOfOptions = { '--remove': ['tag'], '--to': ['export'], '--out': ['export'] };

export function addRuns(add: AddCommand): void {
  add<RunsOptions>('runs', 'List runs, or pause, resume, stop, delete, check, label or export one', runs)
    .argument('<action>', actions.join(', '))
    .argument('[run]', 'name or folder of a run')
    .argument('[words...]', 'the new name for rename, tags for tag, a text for note; an empty name or text removes it')
    .option('--remove', 'with tag: remove these tags')
    .addOption(new Option('--to <format>', 'with export: the program to export for').choices(trackers))
    .option('--out <folder>', 'with export: folder to write to, in a new subfolder for the run')
    .option('--runs <folder>', 'folder of runs (default: in the data home)');
}

async function runs(options: RunsOptions, context: CommandContext): Promise<CommandResult> {
  const { action, run, words } = options;
  if (!actions.includes(action))
    throw new UsageError(`Unknown action ${action}; the actions are ${actions.join(', ')}.`);
  refuseOtherActions({ command: 'runs', action, argument: run }, actionsOf, context);
  if (words.length > 0 && !labelActions.includes(action))
    throw new UsageError(`unmask runs ${action} takes one run; leave out ${words.join(' ')}.`);
  const root = options.runs === undefined ? path.join(dataHome(), 'runs') : path.resolve(options.runs);
  if (action !== 'list') {
    if (run === undefined)
      throw new UsageError(`unmask runs ${action} needs the name of a run; \`unmask runs list\` shows them.`);
    const dir = await findRun(root, run);
    if (action === 'check') return checked(dir);
    if (action === 'export') return exported(dir, options);
    if (action === 'delete') await deleteRun(dir);
    else if (labelActions.includes(action)) await changeLabels(dir, labelChange(options));
    else if (action === 'resume' && (await lockHolder(dir)) === null) throw new UserError(await resumeHint(dir));
    else await requestControl(dir, requestsByAction[action as keyof typeof requestsByAction]);
  }
  const found = await listRuns(root);
  return {
    document: { runs: found },
    lines: found.length === 0 ? [`No runs in ${root}; \`unmask tune\` starts one.`] : found.map(line),
  };
}

function line({ run, name, tags = [], state, step, steps, notes: _, ...live }: RunSummary): string {
  const progress = [`${step}${steps === null ? '' : `/${steps}`}`, ...activityParts({ state, ...live })];
  const labels = [...(name === run ? [] : [name]), ...tags.map((tag) => `#${tag}`)];
  return [`${run.padEnd(60)} ${state.padEnd(12)} ${progress.join('  ')}`, ...labels].join('  ');
}

function labelChange({ action, words, remove }: RunsOptions): LabelChange {
  if (words.length === 0)
    throw new UsageError(
      `unmask runs ${action} needs ${action === 'tag' ? 'one or more tags' : `a text after the run; "" removes the ${action === 'note' ? 'note' : 'name'}`}.`,
    );
  if (action === 'tag') return remove ? { removeTags: words } : { addTags: words };
  return action === 'rename' ? { name: words.join(' ') } : { notes: words.join(' ') };
}

async function exported(dir: string, { to, out }: RunsOptions): Promise<CommandResult> {
  if (to === undefined || out === undefined)
    throw new UsageError(
      `unmask runs export needs --to ${trackers.join(' or ')}, and --out with the folder to write to.`,
    );
  const files = await exportRun(dir, to, out);
  return { document: { files }, lines: files };
}

/** Compares every checkpoint of a run with its digests. */
async function checked(dir: string): Promise<CommandResult> {
  const checkpoints = await checkCheckpoints(dir);
  const setAside = await setAsideCheckpoints(dir);
  const state = (whole: boolean | null) => (whole === null ? 'not checked' : whole ? 'whole' : 'damaged');
  return {
    document: { checkpoints, setAside },
    lines: [
      ...checkpoints.map(({ step, whole, reason }) =>
        [`step ${step}`.padEnd(14), state(whole).padEnd(12), whole === false ? reason : ''].join(' ').trimEnd(),
      ),
      ...setAside.map((name) => `${name.padEnd(27)} set aside earlier because it was damaged`),
      ...(checkpoints.length + setAside.length === 0 ? [`${dir} has no checkpoints.`] : []),
    ],
  };
}

/** How to resume a run that no process works on: it is not paused, so it needs a new process. */
async function resumeHint(dir: string): Promise<string> {
  const command = resumeCommand(await readConfiguration(dir), dir);
  return `${dir} is not paused, because no process works on it; resume it with \`${command}\`.`;
}
