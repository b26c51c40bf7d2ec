import { meanOfRuns } from '../../evaluation/statistics.ts';
import type { Interval } from '../../protocol/interval.ts';
import type { ComparisonRow, FailedRow, ObjectiveSummary } from './records.ts';

export function isFinished(row: ComparisonRow | FailedRow): row is ComparisonRow {
  return !('failed' in row);
}

/** One summary for each objective that has a row, in the order given, then by name. */
export function summarise(rows: readonly (ComparisonRow | FailedRow)[], order: readonly string[]): ObjectiveSummary[] {
  const names = [...new Set([...order, ...rows.map(({ objective }) => objective).sort()])];
  return names.flatMap((objective) => {
    const own = rows.filter((row) => row.objective === objective);
    const finished = own.filter(isFinished);
    if (own.length === 0) return [];
    return [
      {
        objective,
        seeds: own.length,
        failed: own.length - finished.length,
        learning_rate: own[0]!.learning_rate,
        metrics: metricsOf(finished),
        rollouts: finished[0]?.rollouts ?? 0,
        seconds_per_step: mean(finished.map((row) => row.seconds_per_step)),
      },
    ];
  });
}

/** Every metric of greedy answers, and pass@k, over seeds. */
function metricsOf(rows: readonly ComparisonRow[]): Record<string, Interval> {
  const names = Object.keys({ ...rows[0]?.after, ...rows[0]?.pass });
  return Object.fromEntries(
    names.map((name) => {
      const own = rows.map(({ after, pass }) => (after[name] ?? pass[name]) as Interval);
      return [name, meanOfRuns(own.map(({ value }) => value)) ?? (own[0] as Interval)];
    }),
  );
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The summaries as a Markdown table. */
export function markdownTable(summaries: readonly ObjectiveSummary[]): string {
  const names = [...new Set(summaries.flatMap(({ metrics }) => Object.keys(metrics)))];
  const head = ['objective', 'seeds', ...names, 'learning rate', 'rollouts', 's a step'];
  const lines = summaries.map((summary) => {
    const { objective, seeds, failed, metrics, learning_rate, rollouts, seconds_per_step } = summary;
    return [
      objective,
      failed > 0 ? `${seeds} (${failed} failed)` : String(seeds),
      ...names.map((name) => intervalText(metrics[name])),
      learning_rate.toPrecision(2),
      String(rollouts),
      seconds_per_step.toFixed(2),
    ];
  });
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

export function intervalText(interval: Interval | undefined): string {
  if (!interval) return '';
  const { value, low, high } = interval;
  return `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}
