import './chart.css';
import uPlot from 'uplot';
import { element } from './element.ts';
import { number } from './numbers.ts';

/** One line of a chart; a null is a gap. */
export interface Curve {
  readonly label: string;
  /** [steps] */
  readonly values: readonly (number | null)[];
  /** 95 % limits, drawn as whiskers, [steps] */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
}

export interface Chart {
  readonly title: string;
  /** What a reader has to know to read it. */
  readonly note?: string;
  /** Steps, ascending, [steps]. */
  readonly steps: readonly number[];
  readonly curves: readonly Curve[];
  readonly format?: (value: number) => string;
}

const height = 180;
/** Points are marked where there are few enough to tell apart. */
const markUpTo = 40;
/** More steps than this are drawn in thin lines, which stay apart. */
const dense = 400;
const dashes = [[], [6, 4], [2, 3], [10, 4, 2, 4], [14, 5], [4, 8]];

/**
 * A chart with a legend of its own, whose entries switch curves on and off, and the values at the pointer or at the
 * step that the arrow keys choose. It follows the page's colours, its width and the printer's.
 */
export function chart(spec: Chart): HTMLElement {
  const format = spec.format ?? number;
  const readout = element('output', { class: 'readout', 'aria-live': 'off' });
  const values = spec.curves.map(() => element('span', { class: 'value' }));
  const entries = spec.curves.map((curve, index) => {
    const swatch = element('span', { class: `swatch dash${index % dashes.length}` });
    swatch.style.setProperty('--colour', `var(--series-${index % 6})`);
    return element(
      'button',
      { type: 'button', 'aria-pressed': 'true' },
      swatch,
      curve.label,
      values[index] as HTMLElement,
    );
  });
  const canvas = element('div', { class: 'plot', tabindex: 0, role: 'img', 'aria-label': spoken(spec, format) });
  const figure = element(
    'figure',
    { class: 'card chart' },
    element('figcaption', {}, element('h3', {}, spec.title), readout),
    canvas,
    element('div', { class: 'legend' }, ...entries),
    ...(spec.note ? [element('p', { class: 'note' }, spec.note)] : []),
    table(spec, format),
  );

  const tell = (index: number | null) => {
    const at = index ?? spec.steps.length - 1;
    readout.textContent = spec.steps.length === 0 ? '' : `step ${spec.steps[at]}`;
    spec.curves.forEach((curve, each) => {
      const value = curve.values[at];
      (values[each] as HTMLElement).textContent = value === null || value === undefined ? '' : format(value);
    });
  };
  tell(null);

  let plot: uPlot | null = null;
  const shown = spec.curves.map(() => true);
  const draw = () => {
    const width = canvas.clientWidth;
    if (width === 0) return;
    plot?.destroy();
    plot = new uPlot(
      options(spec, width, format, tell, shown),
      [[...spec.steps], ...spec.curves.map(({ values }) => [...values])],
      canvas,
    );
  };
  new ResizeObserver(() => {
    const width = canvas.clientWidth;
    if (plot === null) draw();
    else if (width > 0 && width !== plot.width) plot.setSize({ width, height });
  }).observe(canvas);
  for (const query of ['(prefers-color-scheme: dark)', 'print']) matchMedia(query).addEventListener('change', draw);

  entries.forEach((entry, index) => {
    entry.addEventListener('click', () => {
      shown[index] = !shown[index];
      entry.setAttribute('aria-pressed', String(shown[index]));
      plot?.setSeries(index + 1, { show: shown[index] as boolean });
    });
  });
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
  return figure;
}

function options(
  spec: Chart,
  width: number,
  format: (value: number) => string,
  tell: (index: number | null) => void,
  shown: readonly boolean[],
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  const axis: uPlot.Axis = {
    stroke: colour('muted'),
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const marked = spec.steps.length <= markUpTo;
  const limits = spec.curves
    .flatMap(({ low, high }) => [...(low ?? []), ...(high ?? [])])
    .filter((limit) => limit !== null);
  return {
    width,
    height,
    padding: [10, 20, 0, 0],
    legend: { show: false },
    cursor: { points: { size: 7 }, drag: { x: true, y: false } },
    scales: {
      x: { time: false, range: (_, min, max) => (min === max ? [min - 1, max + 1] : [min, max]) },
      y: { range: (_, min, max) => roomy(Math.min(min, ...limits), Math.max(max, ...limits)) },
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
      ...spec.curves.map((_, index) => ({
        show: shown[index] as boolean,
        stroke: colour(`series-${index % 6}`),
        width: spec.steps.length > dense ? 1 : index === 0 ? 2.25 : 1.75,
        dash: dashes[index % dashes.length] as number[],
        points: { show: marked, size: 5, fill: colour(`series-${index % 6}`) },
      })),
    ],
    hooks: { setCursor: [(plot) => tell(plot.cursor.idx ?? null)], draw: [(plot) => whiskers(plot, spec)] },
  };
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
    const bounds = `between ${format(Math.min(...measured))} and ${format(Math.max(...measured))}`;
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

/** The numbers behind a chart, made when somebody asks for them. */
function table(spec: Chart, format: (value: number) => string): HTMLElement {
  const details = element('details', {}, element('summary', {}, 'Numbers'));
  details.addEventListener(
    'toggle',
    () => {
      const row = (step: number, index: number) =>
        element(
          'tr',
          {},
          element('th', { scope: 'row' }, String(step)),
          ...spec.curves.map(({ values }) => {
            const value = values[index];
            return element('td', { class: 'number' }, value === null || value === undefined ? '' : format(value));
          }),
        );
      const heads = ['Step', ...spec.curves.map(({ label }) => label)];
      details.append(
        element(
          'div',
          { class: 'scroll numbers', tabindex: 0, role: 'region', 'aria-label': `Numbers of ${spec.title}` },
          element(
            'table',
            {},
            element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
            element('tbody', {}, ...spec.steps.map(row)),
          ),
        ),
      );
    },
    { once: true },
  );
  return details;
}
