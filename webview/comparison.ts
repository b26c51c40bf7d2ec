import type { Chart, Curve } from './chart-data.ts';

/** Adds another run's curves to a run's charts; charts that only the other run has come last. */
export function compareCharts(own: readonly Chart[], other: readonly Chart[]): Chart[] {
  const titles = new Set(own.map(({ title }) => title));
  const others = other
    .filter(({ title }) => !titles.has(title))
    .map((chart) => merged({ ...chart, curves: [] }, chart));
  return [
    ...own.map((chart) => {
      const twin = other.find(({ title }) => title === chart.title);
      return twin ? merged(chart, twin) : chart;
    }),
    ...others,
  ];
}

/** Merges two charts, over the steps of both. */
function merged(own: Chart, other: Chart): Chart {
  const steps = [...new Set([...own.steps, ...other.steps])].sort((a, b) => a - b);
  const labels = own.curves.map(({ label }) => label);
  return {
    ...own,
    steps,
    curves: [
      ...own.curves.map((curve) => aligned(curve, own.steps, steps)),
      ...other.curves.map((curve, index) => {
        const twin = labels.indexOf(curve.label);
        return {
          ...aligned(curve, other.steps, steps),
          label: `${curve.label} (compared)`,
          comparedWith: twin === -1 ? labels.length + index : twin,
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
