import { Command, CommanderError, type CommandOptions } from 'commander';
import { Interrupted, messageOf, UsageError, UserError } from '../platform/errors.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { AddCommand, CommandContext, Work } from './command.ts';
import { addBench } from './commands/bench.ts';
import { addDevices } from './commands/devices.ts';
import { addEval } from './commands/eval.ts';
import { addLogits } from './commands/logits.ts';
import { addLoss } from './commands/loss.ts';
import { addObjectives } from './commands/objectives.ts';
import { addPretrain } from './commands/pretrain.ts';
import { addRuns } from './commands/runs.ts';
import { addScore } from './commands/score.ts';
import { addSelfTest } from './commands/self-test.ts';
import { addStart } from './commands/start.ts';
import { addTasks } from './commands/tasks.ts';
import { addTune } from './commands/tune.ts';

/** Exit codes of the command line. */
const exit = { done: 0, failed: 1, badUsage: 2, interrupted: 130 } as const;

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const)
  process.on(name, () => {
    if (interruption.signal.aborted) process.exit(exit.interrupted);
    process.stderr.write('\nSaving and stopping; press again to stop at once.\n');
    interruption.abort();
  });
// A reader that went away (`unmask runs list | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) =>
  process.exit(error.code === 'EPIPE' ? exit.done : exit.failed),
);

const program = new Command('unmask')
  .description('Trains, tunes and serves masked diffusion language models on this machine.')
  .version(packageVersion())
  .exitOverride()
  .configureOutput({ outputError: () => undefined });

const addTo =
  (parent: Command): AddCommand =>
  <Options>(name: string, description: string, work: Work<Options>, settings: CommandOptions = {}) =>
    parent
      .command(name, settings)
      .description(description)
      .option('--json', 'print one JSON document on stdout and nothing else')
      .exitOverride()
      .configureOutput({ outputError: () => undefined })
      .action(async (...given: unknown[]) => {
        const command = given.at(-1) as Command;
        // Positional arguments come first, under their declared names.
        const named = Object.fromEntries(
          command.registeredArguments.map((argument, index) => [argument.name(), given[index]]),
        );
        const options = { ...command.opts(), ...named } as Options & { json?: boolean };
        const context: CommandContext = {
          signal: interruption.signal,
          json: options.json === true,
          progress: (line) => process.stderr.write(`${line}\n`),
        };
        const { document, lines } = await work(options, context);
        await print(context.json ? `${JSON.stringify(document)}\n` : lines.map((line) => `${line}\n`).join(''));
      });

const add = addTo(program);
for (const addCommand of [
  addStart,
  addDevices,
  addSelfTest,
  addObjectives,
  addTasks,
  addTune,
  addRuns,
  addEval,
  addScore,
  addPretrain,
  addBench,
  addLogits,
  addLoss,
])
  addCommand(add);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = await report(error);
}
// An engine keeps threads of its own; nothing is left to wait for.
process.exit();

async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return exit.done;
    // After help that nobody asked for: there was no command, or none that is known.
    const said = error.code === 'commander.help' ? 'no known command was given' : error.message;
    const sentence = said
      .replace(/^error: /, '')
      .replace(/\s+/g, ' ')
      .replace(/\.$/, '');
    return fail(`${sentence}; \`unmask --help\` tells what there is.`, exit.badUsage);
  }
  if (error instanceof Interrupted) return fail(error.message, exit.interrupted);
  if (error instanceof UsageError) return fail(error.message, exit.badUsage);
  if (error instanceof UserError) return fail(error.message, exit.failed);
  return fail(error instanceof Error ? (error.stack ?? error.message) : messageOf(error), exit.failed);
}

async function fail(message: string, code: number): Promise<number> {
  process.stderr.write(`unmask: ${message}\n`);
  if (process.argv.includes('--json')) await print(`${JSON.stringify({ error: { message } })}\n`);
  return code;
}

/** Writes to stdout and waits until it is out, so that leaving does not cut it off. */
function print(text: string): Promise<void> {
  return new Promise((resolve) => process.stdout.write(text, () => resolve()));
}
