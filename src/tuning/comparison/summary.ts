import { meanOfRuns } from '../../evaluation/statistics.ts';
import type { Interval } from '../../protocol/interval.ts';
import type { ComparisonRow, Costs, FailedRow, ObjectiveSummary } from './records.ts';

export function isFinished(row: ComparisonRow | FailedRow): row is ComparisonRow {
  return !('failed' in row);
}

/** One summary per objective with rows, in the given order, then by name. */
export function summarise(
  rows: readonly (ComparisonRow | FailedRow)[],
  order: readonly string[],
  costs: Costs | null = null,
): ObjectiveSummary[] {
  const names = [...new Set([...order, ...rows.map(({ objective }) => objective).sort()])];
  const first = rows.filter((row) => row.objective === names[0]).filter(isFinished);
  return names.flatMap((objective) => {
    const ofObjective = rows.filter((row) => row.objective === objective);
    const finished = ofObjective.filter(isFinished);
    if (ofObjective.length === 0) return [];
    return [
      {
        objective,
        seeds: ofObjective.length,
        failed: ofObjective.length - finished.length,
        learning_rate: ofObjective[0]!.learning_rate,
        metrics: metricsOf(finished),
        difference: objective === names[0] ? null : differenceOf(finished, first),
        rollouts: finished[0]?.rollouts ?? 0,
        seconds_per_step: costs?.seconds_per_step[objective] ?? mean(finished.map((row) => row.seconds_per_step)),
      },
    ];
  });
}

/** All metrics of greedy answers, and pass@k, over seeds. */
function metricsOf(rows: readonly ComparisonRow[]): Record<string, Interval> {
  const names = Object.keys({ ...rows[0]?.after, ...rows[0]?.pass });
  return Object.fromEntries(
    names.map((name) => {
      const intervals = rows.map(({ after, pass }) => (after[name] ?? pass[name]) as Interval);
      return [name, meanOfRuns(intervals.map(({ value }) => value)) ?? (intervals[0] as Interval)];
    }),
  );
}

/** The difference of the main metric, over the common seeds. */
function differenceOf(rows: readonly ComparisonRow[], others: readonly ComparisonRow[]): Interval | null {
  const [metric] = Object.keys(rows[0]?.after ?? {});
  if (metric === undefined) return null;
  const differences = rows.flatMap(({ seed, after }) => {
    const other = others.find((row) => row.seed === seed);
    return other ? [after[metric]!.value - other.after[metric]!.value] : [];
  });
  return meanOfRuns(differences, [-1, 1]);
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Head and rows of the summary table, as text. */
export function summaryTable(summaries: readonly ObjectiveSummary[]): { head: string[]; rows: string[][] } {
  const names = [...new Set(summaries.flatMap(({ metrics }) => Object.keys(metrics)))].filter(isShown);
  const against = `${names[0] ?? ''} against ${summaries[0]?.objective ?? ''}`;
  return {
    head: ['objective', 'seeds', ...names, against, 'learning rate', 'rollouts', 'seconds a step'],
    rows: summaries.map((summary) => {
      const { objective, seeds, failed, metrics, difference, learning_rate, rollouts, seconds_per_step } = summary;
      return [
        objective,
        failed > 0 ? `${seeds}, ${failed} of them failed` : String(seeds),
        ...names.map((name) => intervalText(metrics[name])),
        difference ? `${difference.value > 0 ? '+' : ''}${intervalText(difference)}` : '',
        learning_rate.toPrecision(2),
        String(rollouts),
        seconds_per_step.toFixed(2),
      ];
    }),
  };
}

/** Shows pass@k only for powers of two; the rows contain all. */
function isShown(metric: string): boolean {
  const samples = /^pass@(\d+)$/.exec(metric);
  return samples === null || Number.isInteger(Math.log2(Number(samples[1])));
}

/** The summaries as a Markdown table. */
export function markdownTable(summaries: readonly ObjectiveSummary[]): string {
  const { head, rows } = summaryTable(summaries);
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

export function intervalText(interval: Interval | undefined): string {
  if (!interval) return '';
  const { value, low, high } = interval;
  return `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
}
