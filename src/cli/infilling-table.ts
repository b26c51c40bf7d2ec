import {
  type ComparedMetric,
  comparedMetrics,
  type InfillingComparison,
  type InfillingVerdict,
} from '../infilling/comparison.ts';
import type { InfillingKind } from '../infilling/infilling.ts';
import type { Interval } from '../protocol/interval.ts';

export interface KindComparison extends InfillingComparison {
  readonly kind: InfillingKind;
}

const kindNames: Readonly<Record<InfillingKind, string>> = {
  line: 'The rest of a line',
  lines: 'Several lines',
  span: 'A random span',
};

const metricNames: Readonly<Record<ComparedMetric, string>> = {
  exact_match: 'exact match',
  edit_similarity: 'edit similarity',
  parses: 'parses',
  empty: 'empty',
  bits_per_character: 'bits per character',
};

/** For each kind of gap: the scores, the differences from the first row, and the best method. */
export function infillingTables(comparisons: readonly KindComparison[]): string[] {
  return comparisons.flatMap(({ kind, n, scored, rows, verdicts }, index) => [
    ...(index === 0 ? [] : ['']),
    `${kindNames[kind]}: ${n} gaps, ${scored} of them with a middle that fits into the model's canvas (bits); 95 % intervals`,
    ...aligned([
      ['', ...comparedMetrics.map((metric) => metricNames[metric])],
      ...rows.map(({ name, metrics, bits }) => [
        name,
        ...comparedMetrics.map((metric) => {
          const shown = interval(metrics[metric]);
          return metric === 'bits_per_character' && bits === 'bound' ? `<= ${shown}` : shown;
        }),
      ]),
    ]),
    `Differences from ${rows[0]!.name}, on the same gaps`,
    ...aligned(
      rows
        .slice(1)
        .map(({ name, difference = {} }) => [
          name,
          ...comparedMetrics.map((metric) => interval(difference[metric], true)),
        ]),
    ),
    ...verdicts.map(verdictLine),
  ]);
}

function interval(found: Interval | undefined, signed = false): string {
  if (!found) return '';
  const number = (value: number) => `${signed && value > 0 ? '+' : ''}${value.toFixed(3)}`;
  return `${number(found.value)} [${number(found.low)}, ${number(found.high)}]`;
}

function verdictLine({ metric, model, baseline, difference, winner }: InfillingVerdict): string {
  const text = winner === null ? 'no measurable difference with this number of gaps' : `${winner} is ahead`;
  return `${metricNames[metric]}: ${text} (${model} minus ${baseline}: ${interval(difference, true)})`;
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd());
}
