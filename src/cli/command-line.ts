import { Command, CommanderError, type CommandOptions } from 'commander';
import { Interrupted, messageOf, UsageError, UserError } from '../platform/errors.ts';
import { fileError } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';
import { printable, printableJson, printableLine } from '../protocol/printable.ts';
import type { AddCommand, CommandContext, CommandResult, Work } from './command.ts';
import { addBench } from './commands/bench.ts';
import { addCompare } from './commands/compare.ts';
import { addComplete } from './commands/complete.ts';
import { addDevices } from './commands/devices.ts';
import { addDiagnostics } from './commands/diagnostics.ts';
import { addDiscover } from './commands/discover.ts';
import { addDryRun } from './commands/dry-run.ts';
import { addEval } from './commands/eval.ts';
import { addEvaluations } from './commands/evaluations.ts';
import { addExact } from './commands/exact.ts';
import { addExport } from './commands/export.ts';
import { addInfillEval } from './commands/infill-eval.ts';
import { addLearn } from './commands/learn.ts';
import { addLogits } from './commands/logits.ts';
import { addLoss } from './commands/loss.ts';
import { addMerge } from './commands/merge.ts';
import { addModels } from './commands/models.ts';
import { addObjectives } from './commands/objectives.ts';
import { addPretrain } from './commands/pretrain.ts';
import { addRuns } from './commands/runs.ts';
import { addScore } from './commands/score.ts';
import { addSelfTest } from './commands/self-test.ts';
import { addServe } from './commands/serve.ts';
import { addStart } from './commands/start.ts';
import { addTasks } from './commands/tasks.ts';
import { addTune } from './commands/tune.ts';
import { addWorker } from './commands/worker.ts';
import { addWorkers } from './commands/workers.ts';

/** Exit codes of the command line. */
export const exit = { done: 0, failed: 1, badUsage: 2, interrupted: 130 } as const;

/** Where a command writes, and the signal that stops it. */
export interface Terminal {
  /** Aborted to stop a long command, which then saves its work. */
  readonly signal: AbortSignal;
  /** Whether stdout, and whether stderr, is a terminal; absent: neither. */
  readonly isTerminal?: { readonly out: boolean; readonly err: boolean };
  /** Writes to stdout. The promise settles when the text is written. */
  readonly out: (text: string) => Promise<void>;
  /** Writes to stderr. */
  readonly err: (text: string) => void;
}

/** Runs a command line and returns its exit code. An error is reported in one sentence. */
export async function commandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const program = commands(terminal);
  try {
    await program.parseAsync(args, { from: 'user' });
    return exit.done;
  } catch (error) {
    const command = program.commands.find((known) => known.name() === args[0]);
    const { code, message } = failure(error, command === undefined ? 'unmask' : `unmask ${command.name()}`);
    // Commander writes help and does not wait until it is written.
    if (message === null) await terminal.out('');
    else {
      terminal.err(`unmask: ${message}\n`);
      if (args.includes('--json')) await terminal.out(`${printableJson({ error: { message } })}\n`);
    }
    return code;
  }
}

function commands(terminal: Terminal): Command {
  const output = {
    writeOut: (text: string) => void terminal.out(text),
    writeErr: terminal.err,
    // Commander's own error messages are suppressed; errors are reported below.
    outputError: () => undefined,
  };
  const program = new Command('unmask')
    .description('Trains, tunes and serves masked diffusion language models on this machine.')
    .version(packageVersion())
    .exitOverride()
    .configureOutput(output);
  const add: AddCommand = <Options>(
    name: string,
    description: string,
    work: Work<Options>,
    settings: CommandOptions = {},
  ) =>
    program
      .command(name, settings)
      .description(description)
      .option('--json', 'print one JSON document on stdout and nothing else')
      .exitOverride()
      .configureOutput(output)
      .action(async (...received: unknown[]) => {
        const command = received.at(-1) as Command;
        // Positional arguments come first, under their declared names.
        const named = Object.fromEntries(
          command.registeredArguments.map((argument, index) => [argument.name(), received[index]]),
        );
        const options = { ...command.opts(), ...named } as Options & { json?: boolean };
        const context: CommandContext = {
          signal: terminal.signal,
          json: options.json === true,
          progress(line, { replacesLast = false } = {}) {
            const back = replacesLast && terminal.isTerminal?.err ? '\x1b[1A\x1b[2K' : '';
            terminal.err(`${back}${printableLine(line)}\n`);
          },
          specified: command.options
            .filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli')
            .map((option) => option.long as string),
        };
        const result = await work(options, context);
        // A command that ignored the signal counts as stopped too. Servers and workers are expected to end by the signal.
        if (terminal.signal.aborted && name !== 'serve' && name !== 'worker')
          throw new Interrupted(`unmask ${name} was stopped; its result is not shown.`);
        await terminal.out(context.json ? `${printableJson(result.document)}\n` : textOf(result, terminal));
      });
  for (const addCommand of [
    addStart,
    addDevices,
    addDiagnostics,
    addDiscover,
    addDryRun,
    addSelfTest,
    addObjectives,
    addTasks,
    addModels,
    addMerge,
    addExport,
    addTune,
    addWorker,
    addWorkers,
    addRuns,
    addEval,
    addEvaluations,
    addScore,
    addInfillEval,
    addLearn,
    addCompare,
    addPretrain,
    addComplete,
    addServe,
    addBench,
    addExact,
    addLogits,
    addLoss,
  ])
    addCommand(add);
  return program;
}

/** What a command prints without `--json`. */
function textOf({ lines, content }: CommandResult, { isTerminal }: Terminal): string {
  const text = lines.map((line) => `${printableLine(line)}\n`).join('');
  if (content === undefined) return text;
  return `${text}${isTerminal?.out ? printable(content) : content}${content.endsWith('\n') ? '' : '\n'}`;
}

/**
 * The exit code and the printable message for an error; the message is null if the user asked for help. `command`: the command
 * whose help lists the right options and arguments.
 */
function failure(thrown: unknown, command: string): { readonly code: number; readonly message: string | null } {
  const error = fileError(thrown);
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return { code: exit.done, message: null };
    // Commander printed help because the command was missing or unknown.
    const text = error.code === 'commander.help' ? 'no known command was given' : error.message;
    const reason = text
      .replace(/^error: /, '')
      .replace(/\s+/g, ' ')
      .replace(/\.$/, '');
    return { code: exit.badUsage, message: `${printableLine(reason)}; see \`${command} --help\`.` };
  }
  const sentence = printableLine(messageOf(error));
  if (error instanceof Interrupted) return { code: exit.interrupted, message: sentence };
  // Node throws this error if an operation was aborted by the signal.
  if (error instanceof Error && error.name === 'AbortError')
    return { code: exit.interrupted, message: 'The command was stopped before it had a result.' };
  if (error instanceof UsageError) return { code: exit.badUsage, message: sentence };
  if (error instanceof UserError) return { code: exit.failed, message: sentence };
  // Any other error is a defect, and its stack is printed.
  return { code: exit.failed, message: error instanceof Error ? printable(error.stack ?? error.message) : sentence };
}
