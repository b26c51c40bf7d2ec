import './chart.css';
import uPlot from 'uplot';
import type { Chart } from './chart-data.ts';
import { isSmoothed, lineOf, plotHeight, plotOptions, windowOf } from './chart-drawing.ts';
import { element } from './element.ts';
import { count, number } from './numbers.ts';
import { numbersTable } from './numbers-table.ts';
import { onRecolour } from './theme.ts';

/** A chart that can be updated while it is shown. */
export interface LiveChart {
  readonly root: HTMLElement;
  /** Draws new values of the same chart in place; zoom, hidden curves and focus are kept. */
  update(spec: Chart): void;
  /** Removes the chart from the page. */
  remove(): void;
}

/** A chart whose values do not change. */
export const chart = (spec: Chart): HTMLElement => liveChart(spec).root;

/**
 * A chart with a legend whose entries show and hide curves, and with the values at the pointer or at the step that the
 * arrow keys select. It adapts to the page's colours and width, also when printed.
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
  const showValues = (index: number | null) => {
    const describeStep = index ?? spec.steps.length - 1;
    readout.textContent = spec.steps.length === 0 ? '' : `step ${spec.steps[describeStep]}`;
    spec.curves.forEach((curve, each) => {
      const value = curve.values[describeStep];
      (values[each] as HTMLElement).textContent = value === null || value === undefined ? '' : format(value);
    });
  };
  const draw = () => {
    const width = canvas.clientWidth;
    if (width === 0) return;
    plot?.destroy();
    plot = new uPlot(
      plotOptions(() => spec, width, format, showValues, shown),
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
    // The label is not replaced while a screen reader reads single steps.
    if (document.activeElement !== canvas) canvas.setAttribute('aria-label', describeChart(spec, format));
    const mean = isSmoothed(spec) ? `Bold line: running mean over ${count(windowOf(spec), 'step')}.` : '';
    note.textContent = `${spec.note ?? ''} ${mean}`.trim();
    note.hidden = note.textContent === '';
    table.show(spec, format);
  };
  new ResizeObserver(() => {
    const width = canvas.clientWidth;
    if (plot === null) draw();
    else if (width > 0 && width !== plot.width) plot.setSize({ width, height: plotHeight });
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
  showValues(null);
  describe();
  return {
    root,
    update(next) {
      const before = spec;
      spec = next;
      if (shapeOf(before) !== shapeOf(spec)) {
        fillLegend();
        draw();
      } else if (isSmoothed(before) !== isSmoothed(spec) || before.window !== spec.window) draw();
      else if (plot) takeData(plot, before, spec);
      showValues(plot?.cursor.idx ?? null);
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

/** Identifies the curves of a chart; if they change, the chart is redrawn. */
const shapeOf = ({ curves }: Chart): string =>
  JSON.stringify(curves.map(({ label, comparedWith, comparedRun }) => [label, comparedWith, comparedRun]));

const dataOf = ({ steps, curves }: Chart): uPlot.AlignedData => [
  [...steps],
  ...curves.map(({ values }) => [...values]),
];

/** Sets new values of a plot; a zoomed plot keeps its range. */
function takeData(plot: uPlot, before: Chart, spec: Chart): void {
  const { min, max } = plot.scales.x ?? {};
  const whole = before.steps.length < 2 || (min === before.steps[0] && max === before.steps.at(-1));
  plot.setData(dataOf(spec), whole);
  if (!whole) plot.redraw();
}

/** Describes the curves for screen readers. */
function describeChart(spec: Chart, format: (value: number) => string): string {
  const parts = spec.curves.map(({ label, values }) => {
    const measured = values.filter((value) => value !== null);
    if (measured.length === 0) return `${label}: no data`;
    const [first, last] = [measured[0] as number, measured.at(-1) as number];
    const [least, most] = [Math.min, Math.max].map((of) => measured.reduce((a, b) => of(a, b)) as number);
    const bounds = `between ${format(least as number)} and ${format(most as number)}`;
    return `${label} from ${format(first)} to ${format(last)}, ${bounds}`;
  });
  return `${spec.title} over ${count(spec.steps.length, 'step')}. ${parts.join('; ')}. Use the arrow keys to select a step.`;
}

function at(spec: Chart, index: number, format: (value: number) => string): string {
  const parts = spec.curves.map(({ label, values }) => {
    const value = values[index];
    return `${label} ${value === null || value === undefined ? 'no data' : format(value)}`;
  });
  return `step ${spec.steps[index]}: ${parts.join(', ')}`;
}
