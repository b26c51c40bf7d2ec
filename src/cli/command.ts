import { type Command, type CommandOptions, Option } from 'commander';
import { chooseEngine } from '../engine/devices.ts';
import type { Engine } from '../engine/engine.ts';
import { UsageError } from '../platform/errors.ts';
import type { RunConfiguration } from '../protocol/run.ts';

/** What every subcommand's work is given. */
export interface CommandContext {
  /** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** Whether the one JSON document is wanted on stdout. */
  readonly json: boolean;
  /** Writes a line of progress to stderr. */
  readonly progress: (line: string) => void;
  /** The options that stood on the command line, as in `--seed`. */
  readonly given: readonly string[];
}

/** What a subcommand came to: the document for `--json`, and the lines for people. */
export interface CommandResult {
  readonly document: unknown;
  readonly lines: readonly string[];
}

/** A subcommand's work, from its options as commander read them. */
export type Work<Options> = (options: Options, context: CommandContext) => Promise<CommandResult>;

/** Adds a subcommand whose work is run by `run`; see `main.ts`. */
export type AddCommand = <Options>(
  name: string,
  description: string,
  work: Work<Options>,
  settings?: CommandOptions,
) => Command;

export interface EngineOptions {
  readonly engine: string;
  readonly device?: string;
}

/** `--engine` and `--device`, for commands that compute. */
export function withEngine(command: Command): Command {
  return command
    .option('--engine <name>', 'tensor engine: auto, onnx or tensorflow', 'auto')
    .option('--device <name>', 'device of the engine; `unmask devices` lists them');
}

/** The engine that is asked for; where none is, the one that a run was started on, so that it keeps its trajectory. */
export function engineOfRun(options: EngineOptions, { device }: RunConfiguration): Promise<Engine> {
  return engineOf(options.engine === 'auto' && options.device === undefined ? device : options);
}

export function engineOf({ engine, device }: EngineOptions): Promise<Engine> {
  return chooseEngine({ engine, device });
}

/** An option that takes a whole number of at least `least`. */
export function wholeNumber(flags: string, description: string, least = 1): Option {
  return new Option(flags, description).argParser((text: string) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
      throw new UsageError(`${flags.split(/[ ,]/)[0]} ${text}: give a whole number of at least ${least}.`);
    return value;
  });
}

/** An option that takes a number above 0. */
export function positiveNumber(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string) => {
    const value = Number(text);
    if (text.trim() === '' || !(value > 0 && Number.isFinite(value)))
      throw new UsageError(`${flags.split(/[ ,]/)[0]} ${text}: give a number above 0.`);
    return value;
  });
}

/** `--config` and `--set`, for commands with hyper-parameters. */
export function withSettings(command: Command): Command {
  return command
    .option('--config <file>', 'JSON file of settings by name')
    .option(
      '--set <name=value>',
      'one setting; may be given many times',
      (pair: string, pairs: string[]) => [...pairs, pair],
      [],
    );
}

/** Options that say where a run lies and what it goes on with; `run.json` keeps all else, so that none of it can stand beside `--resume`. */
const besideResume = ['--resume', '--runs', '--engine', '--device', '--json'];

/** Throws a `UsageError` where an option would be passed over because a run goes on as it was started. */
export function refuseBesideResume({ given }: CommandContext, ...heeded: readonly string[]): void {
  const first = given.find((flag) => !besideResume.includes(flag) && !heeded.includes(flag));
  if (first !== undefined)
    throw new UsageError(`--resume goes on with a run as it was started; leave out ${first}, or start a new run.`);
}
