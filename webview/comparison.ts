import type { Chart, Curve } from './chart-data.ts';

/** Adds the curves of other runs to a run's charts; charts that only another run has come last. */
export function compareCharts(own: readonly Chart[], others: readonly (readonly Chart[])[]): Chart[] {
  return others.reduce<Chart[]>((charts, other, run) => withRun(charts, other, run, others.length), [...own]);
}

/** The words in parentheses behind the curves of a compared run. */
export const comparedLabel = (run: number, runs: number): string => (runs === 1 ? 'compared' : `run ${run + 2}`);

function withRun(charts: readonly Chart[], other: readonly Chart[], run: number, runs: number): Chart[] {
  const titles = new Set(charts.map(({ title }) => title));
  const added = other
    .filter(({ title }) => !titles.has(title))
    .map((chart) => merged({ ...chart, curves: [] }, chart, run, runs));
  return [
    ...charts.map((chart) => {
      const twin = other.find(({ title }) => title === chart.title);
      return twin ? merged(chart, twin, run, runs) : chart;
    }),
    ...added,
  ];
}

/** Merges two charts, over the steps of both. */
function merged(own: Chart, other: Chart, run: number, runs: number): Chart {
  const steps = [...new Set([...own.steps, ...other.steps])].sort((a, b) => a - b);
  const labels = own.curves.filter(({ comparedWith }) => comparedWith === undefined).map(({ label }) => label);
  return {
    ...own,
    steps,
    curves: [
      ...own.curves.map((curve) => aligned(curve, own.steps, steps)),
      ...other.curves.map((curve, index) => {
        const twin = labels.indexOf(curve.label);
        return {
          ...aligned(curve, other.steps, steps),
          label: `${curve.label} (${comparedLabel(run, runs)})`,
          comparedWith: twin === -1 ? labels.length + index : twin,
          comparedRun: run,
        };
      }),
    ],
  };
}

/** Extends a curve to more steps; steps without a value are null. */
function aligned(curve: Curve, from: readonly number[], to: readonly number[]): Curve {
  const at = new Map(from.map((step, index) => [step, index]));
  const rangeOf = (values: readonly (number | null)[]) =>
    to.map((step) => {
      const index = at.get(step);
      return index === undefined ? null : (values[index] ?? null);
    });
  return {
    ...curve,
    values: rangeOf(curve.values),
    ...(curve.low ? { low: rangeOf(curve.low) } : {}),
    ...(curve.high ? { high: rangeOf(curve.high) } : {}),
  };
}
