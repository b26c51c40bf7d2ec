import './headline.css';
import type { Interval } from '../src/protocol/interval.ts';
import type { MetricComparison, ReportHeadline } from '../src/protocol/report.ts';
import { drawing, element, missing, section } from './element.ts';
import { label, percent, points } from './numbers.ts';

/** The result: the first metric large, with intervals drawn to scale, what they allow to say, and every metric. */
export function headline(result: ReportHeadline | null, verdicts: readonly string[]): HTMLElement {
  const first = result?.metrics[0];
  if (!result || !first) {
    return section(
      'result',
      'Result',
      missing('This run was not evaluated on held-out problems, so there is no result to state.'),
    );
  }
  return section(
    'result',
    'Result',
    element(
      'div',
      { class: 'card headline' },
      element(
        'div',
        { class: 'figure' },
        element('p', { class: 'metric' }, `${label(first.name)}, ${result.n} held-out problems of ${result.task}`),
        element(
          'p',
          { class: 'change' },
          element('span', { class: 'before' }, percent(first.before.value)),
          element('span', { class: 'arrow', 'aria-label': 'to' }, '→'),
          element('span', { class: 'after' }, percent(first.after.value)),
        ),
        gain(first),
      ),
      intervals(first),
      element('div', { class: 'verdicts' }, ...verdicts.map((verdict) => element('p', {}, verdict))),
    ),
    table(result),
    descriptions(result),
  );
}

function gain({ difference }: MetricComparison): HTMLElement {
  if (difference === null) return element('p', { class: 'gain unclear' }, 'no paired comparison');
  const kind = difference.low > 0 ? 'better' : difference.high < 0 ? 'worse' : 'unclear';
  const text = `${points(difference.value)} points`;
  return element(
    'p',
    { class: `gain ${kind}` },
    element('strong', {}, text),
    ` (${points(difference.low)} to ${points(difference.high)})`,
  );
}

/** Estimates as dots with their 95 % intervals as whiskers, on one axis of which all of them use most. */
function intervals(metric: MetricComparison): HTMLElement {
  const rows = (
    [
      ['before', metric.before],
      ['after', metric.after],
      ['control', metric.control],
    ] as const
  ).filter((row): row is readonly ['before' | 'after' | 'control', Interval] => row[1] !== null);
  const step = 0.1;
  const low = Math.floor(Math.min(...rows.map(([, { low }]) => low)) / step) * step;
  const high = Math.max(low + step, Math.ceil(Math.max(...rows.map(([, { high }]) => high)) / step - 1e-9) * step);
  const [left, right, top, pitch, width] = [70, 24, 10, 34, 440];
  const x = (share: number) => left + ((share - low) / (high - low)) * (width - left - right);
  const bottom = top + rows.length * pitch;
  const every = high - low > 0.55 ? 2 : 1;
  const ticks = Array.from({ length: Math.round((high - low) / step) + 1 }, (_, index) => low + index * step);
  const spoken = rows.map(
    ([name, { value, low, high }]) => `${name} ${percent(value)}, interval ${percent(low)} to ${percent(high)}`,
  );
  const plot = drawing('svg', { viewBox: `0 0 ${width} ${bottom + 24}`, role: 'img', 'aria-label': spoken.join('; ') });
  ticks
    .filter((_, index) => index % every === 0)
    .forEach((share) => {
      plot.append(
        drawing('line', { class: 'grid', x1: x(share), x2: x(share), y1: top, y2: bottom }),
        drawing(
          'text',
          { class: 'tick', x: x(share), y: bottom + 16, 'text-anchor': 'middle' },
          `${Math.round(100 * share)} %`,
        ),
      );
    });
  rows.forEach(([name, { value, low, high }], index) => {
    const y = top + (index + 0.5) * pitch;
    plot.append(
      drawing('text', { class: 'row', x: left - 12, y: y + 4, 'text-anchor': 'end' }, name),
      drawing(
        'g',
        { class: name },
        drawing('line', { x1: x(low), x2: x(high), y1: y, y2: y }),
        drawing('line', { x1: x(low), x2: x(low), y1: y - 5, y2: y + 5 }),
        drawing('line', { x1: x(high), x2: x(high), y1: y - 5, y2: y + 5 }),
        drawing('circle', { cx: x(value), cy: y, r: 5.5 }),
      ),
    );
  });
  return element(
    'figure',
    { class: 'intervals' },
    plot,
    element('figcaption', {}, 'Dots: measured shares. Whiskers: 95 % intervals.'),
  );
}

function table({ metrics, n }: ReportHeadline): HTMLElement {
  const cell = (interval: Interval | null, format: (share: number) => string) =>
    interval === null
      ? element('td', { class: 'none' }, 'not measured')
      : element(
          'td',
          {},
          element('strong', {}, format(interval.value)),
          element('span', { class: 'range' }, `${format(interval.low)} to ${format(interval.high)}`),
        );
  const heads = ['Metric', 'Before', 'After', 'Control', 'After − before, points', 'After − control, points'];
  return element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Every metric' },
    element(
      'table',
      { class: 'metrics' },
      element('caption', {}, `Every metric on the same ${n} problems, with 95 % intervals; differences are paired.`),
      element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
      element(
        'tbody',
        {},
        ...metrics.map((metric) =>
          element(
            'tr',
            {},
            element('th', { scope: 'row' }, label(metric.name)),
            cell(metric.before, percent),
            cell(metric.after, percent),
            cell(metric.control, percent),
            cell(metric.difference, points),
            cell(metric.versusControl, points),
          ),
        ),
      ),
    ),
  );
}

function descriptions({ descriptions: { before, after, control } }: ReportHeadline): HTMLElement {
  const rows = [
    ['Before', before],
    ['After', after],
    ['Control', control ?? 'None was run.'],
  ] as const;
  return element(
    'dl',
    { class: 'pairs' },
    ...rows.map(([term, sentence]) => element('div', {}, element('dt', {}, term), element('dd', {}, sentence))),
  );
}
