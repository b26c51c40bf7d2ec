import { fileURLToPath } from 'node:url';
import { Option } from 'commander';
import { UsageError } from '../../platform/errors.ts';
import { openSandbox } from '../../sandbox/open-sandbox.ts';
import { runComputeProcess } from '../../workers/compute-process.ts';
import type { ComputeProgram } from '../../workers/computer.ts';
import { runWorker, type WorkerRole } from '../../workers/worker.ts';
import {
  type AddCommand,
  type CommandContext,
  type CommandResult,
  type EngineOptions,
  engineOf,
  withEngine,
} from '../command.ts';
import { openQueue } from '../open-queue.ts';

interface WorkerCommandOptions extends EngineOptions {
  readonly queue?: string;
  readonly sendCodeTo?: string;
  readonly rollouts?: boolean;
  readonly rewards?: boolean;
  readonly model?: string;
  readonly name?: string;
  readonly compute?: boolean;
}

export function addWorker(add: AddCommand): void {
  withEngine(add<WorkerCommandOptions>('worker', 'Compute rollouts and rewards for runs on other machines', worker))
    .option('--queue <url>', 'Redis server of the queue: redis://HOST or rediss://HOST')
    .option('--send-code-to <host>', 'allow --queue to be on this other machine, which then gets results')
    .option('--rollouts', 'generate completions (default if neither --rollouts nor --rewards is given)')
    .option('--rewards', 'run tests of completions, in the sandbox')
    .option('--model <model>', 'base model of runs whose model is not installed here under its name')
    .option('--name <name>', 'name of the worker (default: host and process number)')
    .addOption(new Option('--compute', 'the process of a worker that computes').hideHelp());
}

async function worker(options: WorkerCommandOptions, context: CommandContext): Promise<CommandResult> {
  if (options.compute) {
    if (!process.send) throw new UsageError('--compute is for the processes that a worker starts; leave it out.');
    await runComputeProcess(() => engineOf(options));
    return { document: null, lines: [] };
  }
  if (options.queue === undefined)
    throw new UsageError('unmask worker needs --queue with the address of a Redis server.');
  if (options.name !== undefined && (options.name === 'here' || !/^[\w.-]{1,100}$/.test(options.name)))
    throw new UsageError(
      `--name ${options.name}: give up to 100 letters, digits, dots, dashes and underscores, and not "here".`,
    );
  const roles: WorkerRole[] = [
    ...(options.rollouts || !options.rewards ? (['rollouts'] as const) : []),
    ...(options.rewards ? (['rewards'] as const) : []),
  ];
  // Programs that a model wrote run in the sandbox or not at all.
  if (options.rewards) await openSandbox();
  const server = await openQueue(
    options.queue,
    { option: '--queue', allowedHost: options.sendCodeTo, as: 'worker' },
    context,
  );
  try {
    const { name, model } = options;
    const { signal, progress } = context;
    const result = await runWorker({ server, roles, name, model, program: computeProgram(options), signal, progress });
    return {
      document: result,
      lines: [`${result.name} generated ${result.groups} groups and scored ${result.rewards} completions.`],
    };
  } finally {
    await server.close();
  }
}

/** This program as a computing process: the bundle, or the sources. */
function computeProgram({ engine, device }: EngineOptions): ComputeProgram {
  const here = fileURLToPath(import.meta.url);
  const args = ['worker', '--compute', '--engine', engine, ...(device === undefined ? [] : ['--device', device])];
  if (!here.endsWith('.ts')) return { file: here, args };
  const file = fileURLToPath(new URL('../main.ts', import.meta.url));
  return { file, args, execArgv: ['--import', import.meta.resolve('tsx')] };
}
