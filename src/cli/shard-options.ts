import { cpus } from 'node:os';
import path from 'node:path';
import { type Command, Option } from 'commander';
import type * as z from 'zod';
import type { Engine } from '../engine/engine.ts';
import { UsageError } from '../platform/errors.ts';
import type { Machine } from '../shards/parts.ts';
import type { Inputs, ShardedWork } from '../shards/plan.ts';
import { parseShard, type Shard } from '../shards/shard.ts';
import { type Gathered, gatherRows, runShard, type ShardResult, type ShardRun } from '../shards/shard-work.ts';
import type { CommandContext, CommandResult } from './command.ts';

/** The options of a command whose rows can be divided among processes. */
export interface ShardOptions {
  readonly shard?: string;
  readonly shardBase?: '0' | '1';
  readonly gather?: boolean;
  readonly out?: string;
}

/** Adds `--shard`, `--shard-base`, `--gather` and, if the command has none, `--out`. */
export function withShards(command: Command): Command {
  const hasFolder = command.options.some(({ long }) => long === '--out');
  command
    .option(
      '--shard <i/n>',
      'compute shard i of n of the rows, into --out; i is a number from 1, or slurm or kubernetes for the index in a job array',
    )
    .addOption(
      new Option(
        '--shard-base <base>',
        'first index of the job array, with slurm/n (default: 1) or kubernetes/n (default: 0)',
      ).choices(['0', '1']),
    )
    .option('--gather', 'combine the results of all shards in --out and show them');
  return hasFolder ? command : command.option('--out <folder>', 'folder in which the shards write their rows');
}

/** How a command gets its rows: it computes one shard, gathers all shards, or, if null, computes all rows itself. */
export type ShardChoice =
  | { readonly kind: 'shard'; readonly folder: string; readonly shard: Shard }
  | { readonly kind: 'gather'; readonly folder: string }
  | null;

/** Reads the options of `withShards`. `folder` is the name of the folder inside `--out` that holds the rows. */
export function shardChoice(options: ShardOptions, folder = 'shards'): ShardChoice {
  const { shard, shardBase, gather, out } = options;
  if (shard !== undefined && gather) throw new UsageError('--shard and --gather are two steps; give one of them.');
  if (shardBase !== undefined && shard === undefined)
    throw new UsageError('--shard-base belongs to --shard; leave it out.');
  if (shard === undefined && !gather) return null;
  if (out === undefined)
    throw new UsageError(
      `${gather ? '--gather' : '--shard'} needs the folder with the rows of the shards; give it with --out.`,
    );
  const dir = path.join(path.resolve(out), folder);
  if (gather) return { kind: 'gather', folder: dir };
  const base = shardBase === undefined ? undefined : (Number(shardBase) as 0 | 1);
  return { kind: 'shard', folder: dir, shard: parseShard(shard as string, { base }) };
}

/** Throws a `UsageError` if `--out` is given without `--shard` or `--gather`, for commands that otherwise write no folder. */
export function refuseUnusedFolder({ out }: ShardOptions): void {
  if (out !== undefined) throw new UsageError('--out belongs to --shard and --gather; leave it out.');
}

/** Computes one shard of a command's rows. */
export async function computeShard<Row>(
  { folder, shard }: Extract<ShardChoice, { kind: 'shard' }>,
  {
    engine,
    ...work
  }: Omit<ShardedWork, 'about'> &
    Pick<ShardRun<Row>, 'schema' | 'compute'> & { readonly engine: Engine | null; readonly about?: Inputs },
  options: object,
  context: CommandContext,
): Promise<CommandResult> {
  const { schema, compute, about = {}, ...rest } = work;
  const result = await runShard({
    ...{ folder, shard, schema, compute },
    work: { ...rest, about: { options: optionsOnCommandLine(options, context), ...about } },
    machine: thisMachine(engine),
    progress: context.progress,
  });
  return shardShown(result);
}

/**
 * All rows of a command, from the folder of its shards. All options are those of the shards; throws a `UsageError` if one on the
 * command line differs. Warns if the rows come from several kinds of machines, which may round differently.
 */
export async function gatherShards<Row>(
  { folder }: Extract<ShardChoice, { kind: 'gather' }>,
  command: string,
  schema: z.ZodType<Row>,
  options: object,
  context: CommandContext,
): Promise<Gathered<Row>> {
  const gathered = await gatherRows(folder, command, schema);
  const known = (gathered.plan.about.options ?? {}) as Inputs;
  for (const [flag, value] of Object.entries(optionsOnCommandLine(options, context))) {
    if (JSON.stringify(value) === JSON.stringify(known[flag])) continue;
    const has = known[flag] === undefined ? `without ${flag}` : `with ${flag} ${optionText(known[flag])}`;
    throw new UsageError(
      `The shards in ${folder} ran ${has}, so ${flag} ${optionText(value)} cannot be gathered; leave it out.`,
    );
  }
  warnOfMixedMachines(gathered.machines, context.progress);
  return gathered;
}

/** Options that do not decide what the rows are. */
const withoutEffect = [
  ...['--shard', '--shard-base', '--gather', '--out', '--stage'],
  ...['--json', '--engine', '--device', '--runs'],
];

/** The options on the command line that decide the rows. */
function optionsOnCommandLine(options: object, { specified }: CommandContext): Inputs {
  return Object.fromEntries(
    specified
      .filter((flag) => !withoutEffect.includes(flag))
      .map((flag) => [flag, (options as Inputs)[attributeOf(flag)]]),
  );
}

const attributeOf = (flag: string): string =>
  flag.slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

const optionText = (value: unknown): string => (Array.isArray(value) ? value.join(' ') : String(value));

/** This machine, as parts record it. */
function thisMachine(engine: Engine | null): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    device: engine && `${engine.name} ${engine.device}`,
  };
}

function shardShown({ shard, of, rows, computed }: ShardResult): CommandResult {
  const count = `${rows} ${rows === 1 ? 'row' : 'rows'}`;
  return {
    document: { shard, of, rows, computed },
    lines: [`Shard ${shard} of ${of} is done: ${count}, ${computed} of them computed now.`],
  };
}

function warnOfMixedMachines(machines: readonly Machine[], progress: CommandContext['progress']): void {
  if (machines.length < 2) return;
  const kinds = machines.map(({ processor, device }) => (device === null ? processor : `${processor}, ${device}`));
  progress(
    `The rows come from ${machines.length} kinds of machines (${kinds.join('; ')}), which may round differently; the result may differ in the last digits from that of one machine.`,
  );
}
