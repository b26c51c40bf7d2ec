import { Option } from 'commander';
import { shareInterval } from '../../evaluation/statistics.ts';
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
      skipBroken: options.skipBroken ?? false,
    });
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
        rows: scored.map(({ reward, correct, extracted }) => ({ reward, correct, extracted })),
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
    .option('--skip-broken', 'skip rows that cannot be read instead of stopping at the first one')
    .addOption(
      new Option('--format <name>', 'how the completions are written').choices(['tagged', 'plain']).default('tagged'),
    );
}
