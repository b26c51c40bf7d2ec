import { Option } from 'commander';
import * as z from 'zod';
import { shareInterval } from '../../evaluation/statistics.ts';
import { contentDigest } from '../../platform/content-digest.ts';
import { UsageError, UserError } from '../../platform/errors.ts';
import { anyNumber } from '../../shards/exact-json.ts';
import { taskByName } from '../../tasks/registry.ts';
import { readRowFile } from '../../tasks/row-file.ts';
import { completedRow, scoreRows } from '../../tasks/score.ts';
import type { CompletedRow, PromptFormat, Task } from '../../tasks/task.ts';
import type { AddCommand, CommandContext, CommandResult } from '../command.ts';
import {
  computeShard,
  gatherShards,
  refuseUnusedFolder,
  type ShardOptions,
  shardChoice,
  withShards,
} from '../shard-options.ts';

interface ScoreOptions extends ShardOptions {
  readonly task?: string;
  readonly file?: string;
  readonly asReleased?: boolean;
  readonly format: PromptFormat;
  readonly reward?: string;
  readonly skipBroken?: boolean;
}

export function addScore(add: AddCommand): void {
  withShards(
    add<ScoreOptions>('score', 'Grade existing completions', score)
      .option('--task <name>', 'task whose grader to use')
      .option('--file <rows>', 'rows `{prompt?, completion, …}` as JSON lines, a JSON array or CSV')
      .option('--as-released', 'grade exactly as the released evaluator does, including its defects')
      .option('--reward <name>', 'reward of the task to report')
      .option('--skip-broken', 'leave rows that cannot be read out of the result')
      .addOption(
        new Option('--format <name>', 'how the completions are written').choices(['tagged', 'plain']).default('tagged'),
      ),
  );
}

/** The result of a row of the file: its grade and reward, or why it cannot be read. */
const rowSchema = z.union([
  z.object({ line: z.int(), broken: z.string() }),
  z.object({
    line: z.int(),
    reward: anyNumber,
    correct: z.boolean(),
    extracted: z.string().nullable(),
    scores: z.record(z.string(), z.object({ value: anyNumber, weight: anyNumber })),
    error: z.exactOptional(z.string()),
  }),
]);
type RowResult = z.infer<typeof rowSchema>;

async function score(options: ScoreOptions, context: CommandContext): Promise<CommandResult> {
  const choice = shardChoice(options);
  if (choice?.kind === 'gather') {
    const { plan, rows } = await gatherShards(choice, 'score', rowSchema, options, context);
    const { task, skipBroken } = plan.inputs as { task: string; skipBroken: boolean };
    return shown(taskByName(task), rows, skipBroken);
  }
  if (options.task === undefined || options.file === undefined)
    throw new UsageError('unmask score needs --task and --file, or --gather with the folder of its shards.');
  if (choice === null) refuseUnusedFolder(options);
  const file = await readFileRows(options.task, options.file, options.skipBroken ?? false, context);
  const { task, rows } = file;
  const { reward, format, asReleased = false, skipBroken = false } = options;
  const grade = (from: readonly FileRow[]) =>
    gradeRows(task, from, { format, asReleased, ...(reward === undefined ? {} : { reward }) }, context.signal);
  if (choice === null) {
    return shown(task, await grade(rows), skipBroken);
  }
  return computeShard(
    choice,
    {
      command: 'score',
      inputs: {
        ...{ task: task.name, format, asReleased, reward: reward ?? null, skipBroken },
        rows_digest: contentDigest(JSON.stringify(rows)),
      },
      rows: rows.map(({ line }) => `row ${line}`),
      rowsPerPart: rowsPerPart(rows.length, choice.shard.of),
      schema: rowSchema,
      engine: null,
      compute: (first, end) => grade(rows.slice(first, end)),
    },
    options,
    context,
  );
}

/** Few rows a part, so that a shard that is killed has little to repeat, and not more files than a folder should hold. */
const rowsPerPart = (rows: number, shards: number): number =>
  Math.min(256, Math.max(1, Math.ceil(rows / (8 * shards))));

/** Fields that the records of an evaluation have in addition to those of the problem. */
const answerFields = [
  'completion',
  'row',
  'index',
  'sample',
  'seed',
  'correct',
  'extracted',
  'scores',
  'reward',
  'tokens',
];

/** A row of the file, or why it cannot be read. */
type FileRow = { readonly line: number } & ({ readonly row: CompletedRow<unknown> } | { readonly broken: string });

/** All rows in the file's order. Each row that cannot be read is reported; unless `skipBroken`, some must be readable. */
async function readFileRows(name: string, file: string, skipBroken: boolean, { progress }: CommandContext) {
  const task = taskByName(name);
  const { rows: read, broken } = await readRowFile(file, (record) => completedRow(task, record), {
    skipBroken: true,
    fields: task.fields && [...task.fields, ...answerFields],
    report: progress,
  });
  if (read.length === 0 && !skipBroken) throw new UserError(broken[0]!.message);
  for (const { message } of broken) progress(message);
  const rows: FileRow[] = [...read, ...broken.map(({ line, message }) => ({ line, broken: message }))];
  return { task, rows: rows.sort((first, second) => first.line - second.line) };
}

async function gradeRows(
  task: Task,
  rows: readonly FileRow[],
  options: Parameters<typeof scoreRows>[2],
  signal: AbortSignal,
): Promise<RowResult[]> {
  const readable = rows.flatMap((row) => ('row' in row ? [row.row] : []));
  const graded = (await scoreRows(task, readable, { ...options, signal })).rows.values();
  return rows.map((row) => {
    if ('broken' in row) return row;
    const { reward, correct, extracted, scores, error } = graded.next().value!;
    return { line: row.line, reward, correct, extracted, scores, ...(error === undefined ? {} : { error }) };
  });
}

const isGraded = (row: RowResult): row is Exclude<RowResult, { broken: string }> => !('broken' in row);

/** Metrics and the results of all rows. A row that cannot be read has its error as its result, unless it is skipped. */
function shown(task: Task, rows: readonly RowResult[], skipBroken: boolean): CommandResult {
  const graded = rows.filter(isGraded);
  const broken = rows.flatMap((row) => (isGraded(row) ? [] : [{ line: row.line, message: row.broken }]));
  const metrics = Object.fromEntries(
    task.metrics.map((name) => [name, shareInterval(graded.map(({ scores }) => scores[name]!))]),
  );
  return {
    document: {
      task: task.name,
      n: graded.length,
      metrics,
      rows: (skipBroken ? graded : rows).map(result),
      ...(broken.length > 0 ? { broken } : {}),
    },
    lines: Object.entries(metrics).map(
      ([name, { value, low, high }]) =>
        `${name} ${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}] of ${graded.length}`,
    ),
  };
}

function result(row: RowResult) {
  if (!isGraded(row)) return { reward: 0, correct: false, extracted: null, error: row.broken };
  const { reward, correct, extracted, error } = row;
  return { reward, correct, extracted, ...(error === undefined ? {} : { error }) };
}
