import { count } from '../../platform/amounts.ts';
import type { Interval } from '../../protocol/interval.ts';
import { printableLine } from '../../protocol/printable.ts';
import type { CurvePoint, WorkspaceDocument, WorkspaceRow } from '../../protocol/workspace-comparison.ts';

const rowNames: Readonly<Record<string, string>> = {
  model: 'Model alone',
  copies: 'Copies alone',
  both: 'Model and copies',
  learned: 'Learned model and copies',
};

/** Characters of the longest bar of a curve. */
const barLength = 40;

/** The report of `unmask infill-eval --workspace` as a page of text. */
export function workspaceReport({ n, model, workspace, learned, rows, differences, gate }: WorkspaceDocument): string {
  const width = Math.max(...rows.map(({ name }) => nameOf(name).length));
  return [
    `How well Unmask knows ${printableLine(workspace)}`,
    '',
    `The rest of a line was removed in ${count(n, 'place')}${
      learned ? `, in ${count(learned.held_out_files, 'file')} that the learned model was not trained on` : ''
    }, and filled as in the editor by ${printableLine(model)} and by text copied from the workspace.`,
    '',
    `${' '.repeat(width)}   Exactly right                First word right             Time`,
    ...rows.map(
      ({ name, exact, first_word, milliseconds_p50 }) =>
        `${nameOf(name).padEnd(width)}   ${share(exact).padEnd(26)}   ${share(first_word).padEnd(26)}   ${milliseconds_p50.toFixed(0)} ms`,
    ),
    '',
    'Differences in exactly right, on the same places. If the interval does not include 0, chance does not explain the difference.',
    ...differences.map(
      ({ of, against, exact }) =>
        `  ${nameOf(of)} minus ${nameOf(against)}: ${points(exact.value)} (${points(exact.low)} to ${points(exact.high)})`,
    ),
    '',
    'What you see by the setting unmask.completions.eagerness',
    ...gate.map(
      ({ level, precision, coverage }) =>
        `  ${level.padEnd(9)} a suggestion in ${percent(coverage)} of the places; ${precision === null ? 'none' : percent(precision)} of them right`,
    ),
    ...rows.flatMap((row) => curve(row)),
    '',
  ].join('\n');
}

/** Precision against coverage, one line per threshold: the bar is the share of places with a suggestion. */
function curve({ name, precision_coverage: points }: WorkspaceRow): string[] {
  const shown = points.filter((point, index) => point.precision !== null && isNew(point, points[index - 1]));
  if (shown.length === 0) return [];
  return [
    '',
    `${nameOf(name)}: if less is shown, more of it is right`,
    ...shown.map(({ precision, coverage }) => {
      const bar = '\u2588'.repeat(Math.round(coverage * barLength)).padEnd(barLength);
      return `  ${bar} ${percent(coverage).padStart(5)} shown, ${percent(precision as number).padStart(5)} of it right`;
    }),
  ];
}

const isNew = (point: CurvePoint, before: CurvePoint | undefined): boolean =>
  point.coverage !== before?.coverage || point.precision !== before.precision;

const nameOf = (name: string): string => printableLine(rowNames[name] ?? name.replace(/^peer:/, 'Server at '));
const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
const share = ({ value, low, high }: Interval): string =>
  `${percent(value)} (${(100 * low).toFixed(0)} to ${(100 * high).toFixed(0)} %)`;
const points = (value: number): string => `${value > 0 ? '+' : ''}${(100 * value).toFixed(1)} %`;
