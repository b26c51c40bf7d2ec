import './chart.css';
import uPlot from 'uplot';
import type { Chart, Curve } from './chart-data.ts';
import { element } from './element.ts';
import { number } from './numbers.ts';
import { numbersTable } from './numbers-table.ts';
import { colour, onRecolour } from './theme.ts';

const height = 180;
/** Points are marked where there are few enough to tell apart. */
const markUpTo = 40;
/** More steps than this are drawn in thin lines, which stay apart. */
const dense = 400;
const dashes = [[], [6, 4], [2, 3], [10, 4, 2, 4], [14, 5], [4, 8]];
const comparedDash = [5, 4];

/** A chart that takes further values while it is looked at. */
export interface LiveChart {
  readonly root: HTMLElement;
  /** Draws the same chart with other values, in place: zoom, switched-off curves and focus stay. */
  update(spec: Chart): void;
  /** Ends it; it is drawn no more. */
  remove(): void;
}

/** A chart whose values do not change. */
export const chart = (spec: Chart): HTMLElement => liveChart(spec).root;

/**
 * A chart with a legend of its own, whose entries switch curves on and off, and the values at the pointer or at the
 * step that the arrow keys choose. It follows the page's colours, its width and the printer's.
 */
export function liveChart(first: Chart): LiveChart {
  let spec = first;
  const readout = element('output', { class: 'readout', 'aria-live': 'off' });
  const canvas = element('div', { class: 'plot', tabindex: 0, role: 'img' });
  const legend = element('div', { class: 'legend' });
  const note = element('p', { class: 'note' });
  const table = numbersTable();
  const root = element(
    'figure',
    { class: 'card chart' },
    element('figcaption', {}, element('h3', {}, spec.title), readout),
    canvas,
    legend,
    note,
    table.root,
  );
  const ending = new AbortController();
  let plot: uPlot | null = null;
  let shown: boolean[] = [];
  let values: HTMLElement[] = [];

  const format = (value: number) => (spec.format ?? number)(value);
  const tell = (index: number | null) => {
    const at = index ?? spec.steps.length - 1;
    readout.textContent = spec.steps.length === 0 ? '' : `step ${spec.steps[at]}`;
    spec.curves.forEach((curve, each) => {
      const value = curve.values[at];
      (values[each] as HTMLElement).textContent = value === null || value === undefined ? '' : format(value);
    });
  };
  const draw = () => {
    const width = canvas.clientWidth;
    if (width === 0) return;
    plot?.destroy();
    plot = new uPlot(
      options(() => spec, width, format, tell, shown),
      dataOf(spec),
      canvas,
    );
  };
  const fillLegend = () => {
    shown = spec.curves.map(() => true);
    values = spec.curves.map(() => element('span', { class: 'value' }));
    legend.replaceChildren(
      ...spec.curves.map((curve, index) => {
        const swatch = element('span', { class: `swatch ${lineOf(spec, index).style}` });
        swatch.style.setProperty('--colour', `var(--${lineOf(spec, index).colour})`);
        const value = values[index] as HTMLElement;
        const entry = element('button', { type: 'button', 'aria-pressed': 'true' }, swatch, curve.label, value);
        entry.addEventListener('click', () => {
          shown[index] = !shown[index];
          entry.setAttribute('aria-pressed', String(shown[index]));
          plot?.setSeries(index + 1, { show: shown[index] as boolean });
        });
        return entry;
      }),
    );
  };
  const describe = () => {
    // Who is reading it step by step is not interrupted.
    if (document.activeElement !== canvas) canvas.setAttribute('aria-label', spoken(spec, format));
    note.textContent = spec.note ?? '';
    note.hidden = spec.note === undefined;
    table.show(spec, format);
  };
  new ResizeObserver(() => {
    const width = canvas.clientWidth;
    if (plot === null) draw();
    else if (width > 0 && width !== plot.width) plot.setSize({ width, height });
  }).observe(canvas);
  onRecolour(draw, ending.signal);
  canvas.addEventListener('keydown', (event) => {
    const last = spec.steps.length - 1;
    const from = plot?.cursor.idx ?? last;
    const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last }[event.key];
    if (plot === null || to === undefined) return;
    event.preventDefault();
    const index = Math.min(last, Math.max(0, to));
    plot.setCursor({ left: plot.valToPos(spec.steps[index] as number, 'x'), top: 10 });
    canvas.setAttribute('aria-label', `${spec.title}, ${at(spec, index, format)}`);
  });
  fillLegend();
  tell(null);
  describe();
  return {
    root,
    update(next) {
      const before = spec;
      spec = next;
      if (shapeOf(before) !== shapeOf(spec)) {
        fillLegend();
        draw();
      } else if (plot) takeData(plot, before, spec);
      tell(plot?.cursor.idx ?? null);
      describe();
    },
    remove() {
      ending.abort();
      plot?.destroy();
      plot = null;
      root.remove();
    },
  };
}

/** Which curves a chart has; one that has others is drawn anew. */
const shapeOf = ({ curves }: Chart): string =>
  JSON.stringify(curves.map(({ label, comparedWith }) => [label, comparedWith]));

const dataOf = ({ steps, curves }: Chart): uPlot.AlignedData => [
  [...steps],
  ...curves.map(({ values }) => [...values]),
];

/** Gives a plot other values; one that somebody has zoomed into keeps its section. */
function takeData(plot: uPlot, before: Chart, spec: Chart): void {
  const { min, max } = plot.scales.x ?? {};
  const whole = before.steps.length < 2 || (min === before.steps[0] && max === before.steps.at(-1));
  plot.setData(dataOf(spec), whole);
  if (!whole) plot.redraw();
}

/** A curve's line: solid ones and dashes tell one run's curves apart, or where two are compared, the runs. */
function lineOf({ curves }: Chart, index: number): { colour: string; dash: number[]; style: string } {
  const { comparedWith } = curves[index] as Curve;
  const colour = `series-${(comparedWith ?? index) % 6}`;
  if (comparedWith !== undefined) return { colour, dash: comparedDash, style: 'compared' };
  if (curves.some((curve) => curve.comparedWith !== undefined)) return { colour, dash: [], style: 'dash0' };
  const kind = index % dashes.length;
  return { colour, dash: dashes[kind] as number[], style: `dash${kind}` };
}

function options(
  spec: () => Chart,
  width: number,
  format: (value: number) => string,
  tell: (index: number | null) => void,
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
    height,
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
          width: spec().steps.length > dense ? 1 : index === 0 ? 2.25 : 1.75,
          dash: line.dash,
          // Of two runs, neither has a gap where only the other has a step.
          spanGaps: spec().curves.some(({ comparedWith }) => comparedWith !== undefined),
          points: { show: () => spec().steps.length <= markUpTo, size: 5, fill: colour(line.colour) },
        };
      }),
    ],
    hooks: { setCursor: [(plot) => tell(plot.cursor.idx ?? null)], draw: [(plot) => whiskers(plot, spec())] },
  };
}

/** The values' range with the intervals around them. */
function withLimits({ curves }: Chart, min: number, max: number): [number, number] {
  const limits = curves.flatMap(({ low, high }) => [...(low ?? []), ...(high ?? [])]).filter((limit) => limit !== null);
  return roomy(Math.min(min, ...limits), Math.max(max, ...limits));
}

/** The limits with some room around them, so that a curve never runs along the frame; flat ones get a scale too. */
function roomy(low: number, high: number): [number, number] {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  const room = high > low ? 0.08 * (high - low) : Math.max(1e-6, 0.1 * Math.abs(high));
  // Zero is no limit that a quantity without sign should seem to cross.
  return [low >= 0 ? Math.max(0, low - room) : low - room, high <= 0 ? Math.min(0, high + room) : high + room];
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

/** The curves in a sentence, for who cannot see them. */
function spoken(spec: Chart, format: (value: number) => string): string {
  const parts = spec.curves.map(({ label, values }) => {
    const measured = values.filter((value) => value !== null);
    if (measured.length === 0) return `${label}: nothing measured`;
    const [first, last] = [measured[0] as number, measured.at(-1) as number];
    const [least, most] = [Math.min, Math.max].map((of) => measured.reduce((a, b) => of(a, b)) as number);
    const bounds = `between ${format(least as number)} and ${format(most as number)}`;
    return `${label} from ${format(first)} to ${format(last)}, ${bounds}`;
  });
  return `${spec.title} over ${spec.steps.length} steps. ${parts.join('; ')}. Arrow keys choose a step.`;
}

function at(spec: Chart, index: number, format: (value: number) => string): string {
  const parts = spec.curves.map(({ label, values }) => {
    const value = values[index];
    return `${label} ${value === null || value === undefined ? 'not measured' : format(value)}`;
  });
  return `step ${spec.steps[index]}: ${parts.join(', ')}`;
}
