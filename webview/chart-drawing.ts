import type uPlot from 'uplot';
import type { Chart, Curve } from './chart-data.ts';
import { runningMean } from './running-mean.ts';
import { colour } from './theme.ts';

export const plotHeight = 180;
/** Points are marked up to this number of steps. */
const maxMarkedSteps = 40;
/** Above this number of steps, curves are drawn faintly, with their running mean on top. */
const manySteps = 400;
/** The window of the running mean is this fraction of all steps. */
const windows = 50;
const dashes = [[], [6, 4], [2, 3], [10, 4, 2, 4], [14, 5], [4, 8]];
/** Lines of compared runs. */
const comparedDashes = [
  [5, 4],
  [2, 3],
  [10, 4, 2, 4],
  [14, 5],
  [4, 8],
];

/** Style of a curve's line. Dashes distinguish the curves of one run, or the runs if several are compared. */
export function lineOf({ curves }: Chart, index: number): { colour: string; dash: number[]; style: string } {
  const { comparedWith, comparedRun = 0 } = curves[index] as Curve;
  const colour = `series-${(comparedWith ?? index) % 6}`;
  if (comparedWith !== undefined) {
    const run = comparedRun % comparedDashes.length;
    return { colour, dash: comparedDashes[run] as number[], style: `compared compared${run}` };
  }
  if (curves.some((curve) => curve.comparedWith !== undefined)) return { colour, dash: [], style: 'dash0' };
  const kind = index % dashes.length;
  return { colour, dash: dashes[kind] as number[], style: `dash${kind}` };
}

/**
 * Options of a plot. `spec` is called for each drawing, because the chart can change; `tell` is called with the step at
 * the pointer.
 */
export function plotOptions(
  spec: () => Chart,
  width: number,
  format: (value: number) => string,
  onStep: (index: number | null) => void,
  shown: readonly boolean[],
): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('grid'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  return {
    width,
    height: plotHeight,
    padding: [10, 20, 0, 0],
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    scales: {
      x: { time: false, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) },
      y: { range: (_, min, max) => withLimits(spec(), min, max) },
    },
    axes: [
      { ...axis, size: 28, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 50_000, 100_000] },
      {
        ...axis,
        size: 58,
        space: 32,
        values: (_, splits) => splits.map((split) => format(split).replace(/\.0(?!\d)/, '')),
      },
    ],
    series: [
      {},
      ...spec().curves.map((_, index) => {
        const line = lineOf(spec(), index);
        return {
          show: shown[index] as boolean,
          stroke: colour(line.colour),
          width: isSmoothed(spec()) ? 1 : index === 0 ? 2.25 : 1.75,
          alpha: isSmoothed(spec()) ? 0.3 : 1,
          dash: line.dash,
          // Runs have different steps; a step of only one run leaves no gap in the others.
          spanGaps: spec().curves.some(({ comparedWith }) => comparedWith !== undefined),
          points: { show: () => spec().steps.length <= maxMarkedSteps, size: 5, fill: colour(line.colour) },
        };
      }),
    ],
    hooks: {
      setCursor: [(plot) => onStep(plot.cursor.idx ?? null)],
      draw: [(plot) => whiskers(plot, spec()), (plot) => runningMeans(plot, spec())],
    },
  };
}

/** The range of the values and their intervals. */
function withLimits({ curves }: Chart, min: number, max: number): [number, number] {
  const limits = curves.flatMap(({ low, high }) => [...(low ?? []), ...(high ?? [])]).filter((limit) => limit !== null);
  return withMargin(Math.min(min, ...limits), Math.max(max, ...limits));
}

/** The limits with a margin, so that a curve never runs along the frame and a flat curve gets a scale too. */
function withMargin(low: number, high: number): [number, number] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const margin = high > low ? 0.08 * (high - low) : Math.max(1e-6, 0.1 * Math.abs(high));
  // The axis of a quantity that is never negative starts at zero.
  return [low >= 0 ? Math.max(0, low - margin) : low - margin, high <= 0 ? Math.min(0, high + margin) : high + margin];
}

function whiskers(plot: uPlot, spec: Chart): void {
  spec.curves.forEach(({ low, high }, index) => {
    const series = plot.series[index + 1];
    if (!low || !high || !series?.show) return;
    const context = plot.ctx;
    context.save();
    context.strokeStyle = typeof series.stroke === 'function' ? (series.stroke(plot, index + 1) as string) : '';
    context.lineWidth = 1.5 * devicePixelRatio;
    context.globalAlpha = 0.7;
    context.beginPath();
    spec.steps.forEach((step, at) => {
      const [from, to] = [low[at], high[at]];
      if (from === null || from === undefined || to === null || to === undefined) return;
      const x = plot.valToPos(step, 'x', true);
      const cap = 3 * devicePixelRatio;
      const [bottom, top] = [plot.valToPos(from, 'y', true), plot.valToPos(to, 'y', true)];
      context.moveTo(x, bottom);
      context.lineTo(x, top);
      for (const end of [bottom, top]) {
        context.moveTo(x - cap, end);
        context.lineTo(x + cap, end);
      }
    });
    context.stroke();
    context.restore();
  });
}

/** Whether the running mean is drawn: on request, or if there are so many steps that noise would hide the trend. */
export const isSmoothed = ({ steps, window }: Chart): boolean =>
  window === undefined ? steps.length > manySteps : window > 1 && steps.length > 2;
/** Window of the running mean, in steps. */
export const windowOf = ({ steps, window }: Chart): number => window ?? Math.round(steps.length / windows);

/** Draws the running mean of each curve. */
function runningMeans(plot: uPlot, spec: Chart): void {
  if (!isSmoothed(spec)) return;
  const { left, top, width, height: inner } = plot.bbox;
  const context = plot.ctx;
  context.save();
  context.beginPath();
  context.rect(left, top, width, inner);
  context.clip();
  context.lineWidth = 2 * devicePixelRatio;
  spec.curves.forEach(({ values }, index) => {
    const series = plot.series[index + 1];
    if (!series?.show) return;
    context.strokeStyle = typeof series.stroke === 'function' ? (series.stroke(plot, index + 1) as string) : '';
    context.setLineDash(lineOf(spec, index).dash.map((length) => length * devicePixelRatio));
    context.beginPath();
    for (const [at, mean] of runningMean(values, windowOf(spec)).entries())
      if (mean !== null)
        context.lineTo(plot.valToPos(spec.steps[at] as number, 'x', true), plot.valToPos(mean, 'y', true));
    context.stroke();
  });
  context.restore();
}
