import { Option } from 'commander';
import { shareInterval } from '../../evaluation/statistics.ts';
import { UserError } from '../../platform/errors.ts';
import { taskByName } from '../../tasks/registry.ts';
import { readRowFile } from '../../tasks/row-file.ts';
import { completedRow, scoreRows } from '../../tasks/score.ts';
import type { PromptFormat } from '../../tasks/task.ts';
import type { AddCommand } from '../command.ts';

interface ScoreOptions {
  readonly task: string;
  readonly file: string;
  readonly asReleased?: boolean;
  readonly format: PromptFormat;
  readonly reward?: string;
  readonly skipBroken?: boolean;
}

export function addScore(add: AddCommand): void {
  add<ScoreOptions>('score', 'Grade existing completions', async (options, { signal, progress }) => {
    const task = taskByName(options.task);
    const { rows: read, broken } = await readRowFile(options.file, (record) => completedRow(task, record), {
      skipBroken: true,
      fields: task.fields && [...task.fields, ...answerFields],
      report: progress,
    });
    if (read.length === 0 && !options.skipBroken) throw new UserError(broken[0]!.message);
    for (const { message } of broken) progress(message);
    const rows = read.map(({ row }) => row);
    const { n, rows: scored } = await scoreRows(task, rows, {
      format: options.format,
      asReleased: options.asReleased ?? false,
      signal,
      ...(options.reward === undefined ? {} : { reward: options.reward }),
    });
    const metrics = Object.fromEntries(
      task.metrics.map((name) => [name, shareInterval(scored.map(({ scores }) => scores[name]!))]),
    );
    return {
      document: {
        task: task.name,
        n,
        metrics,
        rows: inOrder(
          scored.map(({ reward, correct, extracted, error }, index) => ({
            line: read[index]!.line,
            row: { reward, correct, extracted, ...(error === undefined ? {} : { error }) },
          })),
          options.skipBroken ? [] : broken,
        ),
        ...(broken.length > 0 ? { broken } : {}),
      },
      lines: Object.entries(metrics).map(
        ([name, { value, low, high }]) => `${name} ${value.toFixed(4)} [${low.toFixed(4)}, ${high.toFixed(4)}] of ${n}`,
      ),
    };
  })
    .requiredOption('--task <name>', 'task whose grader to use')
    .requiredOption('--file <rows>', 'rows `{prompt?, completion, …}` as JSON lines, a JSON array or CSV')
    .option('--as-released', 'grade exactly as the released evaluator does, including its defects')
    .option('--reward <name>', 'reward of the task to report')
    .option('--skip-broken', 'leave rows that cannot be read out of the result')
    .addOption(
      new Option('--format <name>', 'how the completions are written').choices(['tagged', 'plain']).default('tagged'),
    );
}

/** Fields that the records of an evaluation have besides the problem's own. */
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

interface RowResult {
  readonly reward: number;
  readonly correct: boolean;
  readonly extracted: string | null;
  readonly error?: string;
}

/** The results of all rows in the file's order. A row that cannot be read has its error as its result. */
function inOrder(
  scored: readonly { readonly line: number; readonly row: RowResult }[],
  broken: readonly { readonly line: number; readonly message: string }[],
): RowResult[] {
  const unread = broken.map(({ line, message }) => ({
    line,
    row: { reward: 0, correct: false, extracted: null, error: message },
  }));
  return [...scored, ...unread].sort((first, second) => first.line - second.line).map(({ row }) => row);
}
