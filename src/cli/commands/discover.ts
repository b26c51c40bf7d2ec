import path from 'node:path';
import { count } from '../../platform/amounts.ts';
import { UsageError, UserError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import type { DiscoveryDocument } from '../../protocol/discovery.ts';
import { startDiscovery } from '../../workspace/discovery-run.ts';
import type { AddCommand, CommandContext } from '../command.ts';

interface DiscoverOptions {
  readonly workspace: string;
  readonly testCommand?: string;
  readonly runs?: string;
}

export function addDiscover(add: AddCommand): void {
  add<DiscoverOptions>(
    'discover',
    'Find the functions of a workspace that its tests cover',
    async (options, context) => {
      const found = await startDiscovery(runsFolder(options.runs), options.workspace, {
        ...hooks(context),
        command: options.testCommand ?? null,
      });
      return { document: found, lines: shown(found) };
    },
  )
    .requiredOption('--workspace <folder>', 'folder with tests; they run in the sandbox')
    .option(...testCommandOption)
    .option('--runs <folder>', 'folder of runs (default: in the data home)');
}

/** The option `--test-command` of the commands that take a workspace. */
export const testCommandOption = [
  '--test-command <command>',
  'command that runs the tests and reports in TAP; if it contains {file}, it runs once for each test file (default: the detected test runner)',
] as const;

/** Options of the commands that take problems from a file or from a workspace. */
export interface ProblemSource {
  readonly task: string;
  readonly data?: string | undefined;
  readonly workspace?: string | undefined;
  readonly testCommand?: string | undefined;
}

/** The task of a command: `--task`, or the task `workspace` if only a workspace is given. */
export function chosenTask({
  task,
  workspace,
}: {
  readonly task?: string;
  readonly workspace?: string;
}): string | undefined {
  return task ?? (workspace === undefined ? undefined : 'workspace');
}

/**
 * The file of problems for a command; null: the task generates them. For the task `workspace`, this runs discovery
 * first.
 */
export async function problemFile(
  { task, data, workspace, testCommand }: ProblemSource,
  which: 'all' | 'held out',
  runs: string,
  context: CommandContext,
): Promise<string | null> {
  if (workspace !== undefined && task !== 'workspace')
    throw new UsageError(`--workspace is only for the task workspace, not for ${task}.`);
  if (testCommand !== undefined && workspace === undefined)
    throw new UsageError('--test-command needs --workspace, the folder whose tests it runs.');
  if (workspace !== undefined && data !== undefined)
    throw new UsageError('--workspace and --data both select problems; give one of them.');
  if (data !== undefined) return path.resolve(data);
  if (task !== 'workspace') return null;
  if (workspace === undefined)
    throw new UsageError(
      'The task workspace needs --workspace with a folder, or --data with the problems that discovery found in one.',
    );
  const found = await startDiscovery(runs, workspace, { ...hooks(context), command: testCommand ?? null });
  if (found.tasks.length === 0)
    throw new UserError(
      `No function of ${found.workspace} is covered by a test, so there is nothing to tune on; ${found.dir}/result.json gives the reason for each function.`,
    );
  context.progress(`${found.tasks.length} of ${count(found.functions, 'function')} covered by tests`);
  if (which === 'all') return found.data;
  context.progress(
    'Evaluating the functions that a tuning run on this workspace holds out; --split all evaluates all functions.',
  );
  return found.heldOut;
}

const runsFolder = (folder: string | undefined): string =>
  folder === undefined ? path.join(dataHome(), 'runs') : path.resolve(folder);

function hooks({ signal, progress }: CommandContext) {
  return {
    signal,
    onStart: ({ dir }: { readonly dir: string }) => progress(`run ${dir}`),
    onProgress: (done: number, total: number, what: string) => progress(`${done} of ${total} ${what}`),
  };
}

function shown({ tasks, leftOut, functions, tests, runs, seconds, dir, runner }: DiscoveryDocument): string[] {
  return [
    ...tasks.map(({ file, line, function: name, tests: covering, heldOut }) => {
      return `${file}:${line} ${name}  ${count(Object.values(covering).flat().length, 'test')}${heldOut ? ', held out' : ''}`;
    }),
    ...leftOut.map(
      ({ file, name, reason }) => `skipped: ${[file, name].filter(Boolean).join(' ')}: ${reason.split('\n')[0]}`,
    ),
    `${runner}: ${count(tests, 'test')}, which cover ${tasks.length} of ${count(functions, 'function')} (${count(runs, 'test run')}, ${seconds.toFixed(0)} s)`,
    `forged test results would be noticed for ${tasks.filter(({ checkable }) => checkable).length} of ${count(tasks.length, 'function')}`,
    `run: ${dir}`,
  ];
}
