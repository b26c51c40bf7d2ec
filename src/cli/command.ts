import { type Command, type CommandOptions, Option } from 'commander';
import { chooseEngine } from '../engine/devices.ts';
import type { Engine } from '../engine/engine.ts';
import { UsageError } from '../platform/errors.ts';
import type { RunConfiguration } from '../protocol/run.ts';

/** The context of a subcommand. */
export interface CommandContext {
  /** Aborted by the first SIGINT or SIGTERM; a second one ends the process at once. */
  readonly signal: AbortSignal;
  /** Whether to print one JSON document on stdout. */
  readonly json: boolean;
  /** Writes a line of progress to stderr. On a terminal it takes the place of the last one if `replacesLast` is true. */
  readonly progress: (line: string, options?: { readonly replacesLast?: boolean }) => void;
  /** The names of the options on the command line, such as `--seed`. */
  readonly specified: readonly string[];
}

/** The result of a subcommand: the document for `--json`, and otherwise lines of text or the content of a file. */
export interface CommandResult {
  readonly document: unknown;
  /** One line each. Line breaks and control characters in them are shown as escapes. */
  readonly lines: readonly string[];
  /** A text for a file or a pipe, which gets it unchanged. A terminal gets its control characters as escapes. */
  readonly content?: string;
}

/** The function of a subcommand, which receives the parsed options. */
export type Work<Options> = (options: Options, context: CommandContext) => Promise<CommandResult>;

/** Adds a subcommand; see `main.ts`. */
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

/** The engine in the options, or by default the engine that the run was started on, so its trajectory stays the same. */
export function engineOfRun(options: EngineOptions, { device }: RunConfiguration): Promise<Engine> {
  return engineOf(options.engine === 'auto' && options.device === undefined ? device : options);
}

export function engineOf({ engine, device }: EngineOptions): Promise<Engine> {
  return chooseEngine({ engine, device });
}

/** An option whose value is a whole number of at least `least`. */
export function wholeNumber(flags: string, description: string, least = 1): Option {
  return new Option(flags, description).argParser((text: string) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < least)
      throw new UsageError(`${flags.split(/[ ,]/)[0]} ${text}: give a whole number of at least ${least}.`);
    return value;
  });
}

/** An option whose value is a number above 0. */
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
    .option('--config <file>', 'JSON file with settings')
    .option(
      '--set <name=value>',
      'one setting; may be given many times',
      (pair: string, pairs: string[]) => [...pairs, pair],
      [],
    );
}

/** The options that can be combined with `--resume`. All others are stored in `run.json` when a run starts. */
const optionsWithResume = ['--resume', '--runs', '--engine', '--device', '--json'];

/** Throws a `UsageError` if an option cannot be combined with `--resume`. */
export function refuseWithResume({ specified }: CommandContext, ...accepted: readonly string[]): void {
  const first = specified.find((flag) => !optionsWithResume.includes(flag) && !accepted.includes(flag));
  if (first !== undefined)
    throw new UsageError(`--resume continues a run with its original options; leave out ${first}, or start a new run.`);
}

/** The actions that an option belongs to, by the option's name, such as `--to`. Options without an entry suit every action. */
export type ActionsOfOptions = Readonly<Record<string, readonly string[]>>;

/**
 * Throws a `UsageError` if an option on the command line belongs to other actions of the command, or if `list` has an
 * argument. Otherwise they would have no effect, and the user would not know.
 */
export function refuseOtherActions(
  {
    command,
    action,
    argument,
  }: { readonly command: string; readonly action: string; readonly argument?: string | undefined },
  actionsOf: ActionsOfOptions,
  { specified }: CommandContext,
): void {
  const misplaced = specified.find((flag) => actionsOf[flag]?.includes(action) === false);
  if (misplaced !== undefined)
    throw new UsageError(
      `${misplaced} belongs to unmask ${command} ${actionsOf[misplaced]?.join(' and ')}; leave it out.`,
    );
  if (action === 'list' && argument !== undefined)
    throw new UsageError(`unmask ${command} list shows all ${command}; leave out ${argument}.`);
}
