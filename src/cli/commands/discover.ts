import path from 'node:path';
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
    'Find the functions of a workspace that its tests guard',
    async (options, context) => {
      const found = await startDiscovery(runsFolder(options.runs), options.workspace, {
        ...hooks(context),
        command: options.testCommand ?? null,
      });
      return { document: found, lines: shown(found) };
    },
  )
    .requiredOption('--workspace <folder>', 'folder whose tests are run, in the sandbox')
    .option(...testCommandOption)
    .option('--runs <folder>', "folder of runs (default: the data home's)");
}

/** `--test-command`, of the commands that take a workspace. */
export const testCommandOption = [
  '--test-command <command>',
  'command that runs its tests and reports in TAP, with {file} where it is run for each file of tests (default: its runner is found)',
] as const;

/** Options of the commands that take the problems of a task from a file or from a workspace. */
export interface ProblemSource {
  readonly task: string;
  readonly data?: string | undefined;
  readonly workspace?: string | undefined;
  readonly testCommand?: string | undefined;
}

/**
 * The file of problems that a command works with; null: those that the task makes. For the task `workspace` they are
 * found first.
 */
export async function problemFile(
  { task, data, workspace, testCommand }: ProblemSource,
  which: 'all' | 'held out',
  runs: string,
  context: CommandContext,
): Promise<string | null> {
  if (workspace !== undefined && task !== 'workspace')
    throw new UsageError(`--workspace belongs to the task workspace; ${task} does not take it.`);
  if (testCommand !== undefined && workspace === undefined)
    throw new UsageError('--test-command says how the tests of --workspace are run; give both.');
  if (workspace !== undefined && data !== undefined)
    throw new UsageError('--workspace and --data are two sources of problems; give one of them.');
  if (data !== undefined) return path.resolve(data);
  if (task !== 'workspace') return null;
  if (workspace === undefined)
    throw new UsageError('The task workspace needs a folder: give it with --workspace, or what was found with --data.');
  const found = await startDiscovery(runs, workspace, { ...hooks(context), command: testCommand ?? null });
  if (found.tasks.length === 0)
    throw new UserError(
      `No function of ${found.workspace} is guarded by a test, so there is nothing to learn; ${found.dir}/result.json says why each was left out.`,
    );
  context.progress(`${found.tasks.length} of ${found.functions} functions are guarded by tests`);
  if (which === 'all') return found.data;
  context.progress(
    'Evaluating the functions that a run on the workspace would hold out; --split all takes all of them.',
  );
  return found.heldOut;
}

const runsFolder = (given: string | undefined): string =>
  given === undefined ? path.join(dataHome(), 'runs') : path.resolve(given);

function hooks({ signal, progress }: CommandContext) {
  return {
    signal,
    onStart: ({ dir }: { readonly dir: string }) => progress(`run ${dir}`),
    onProgress: (done: number, total: number, what: string) => progress(`${done} of ${total} ${what}`),
  };
}

function shown({ tasks, leftOut, functions, tests, runs, seconds, dir, runner }: DiscoveryDocument): string[] {
  return [
    ...tasks.map(({ file, line, function: name, tests: guards, heldOut }) => {
      const count = Object.values(guards).flat().length;
      return `${file}:${line} ${name}  ${count} test${count === 1 ? '' : 's'}${heldOut ? ', held out' : ''}`;
    }),
    ...leftOut.map(
      ({ file, name, reason }) => `left out: ${[file, name].filter(Boolean).join(' ')}: ${reason.split('\n')[0]}`,
    ),
    `${tasks.length} of ${functions} functions are guarded by the ${tests} tests of ${runner} (${runs} runs, ${seconds.toFixed(0)} s)`,
    `run: ${dir}`,
  ];
}
