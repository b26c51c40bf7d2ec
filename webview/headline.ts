import './headline.css';
import type { Interval } from '../src/protocol/interval.ts';
import type { MetricComparison, ReportHeadline } from '../src/protocol/report.ts';
import { element, missing, section } from './element.ts';
import { intervalPlot } from './interval-plot.ts';
import { count, label, percent, points } from './numbers.ts';

/** The result: the first metric in large type, its intervals as a plot, the conclusions, and a table of all metrics. */
export function headline(result: ReportHeadline | null, verdicts: readonly string[]): HTMLElement {
  const first = result?.metrics[0];
  if (!result || !first) {
    return section(
      'result',
      'Result',
      missing('This run was not evaluated on held-out problems, so there is no result.'),
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
        element(
          'p',
          { class: 'metric' },
          `${label(first.name)}, ${count(result.n, 'held-out problem')} of ${result.task}`,
        ),
        element(
          'p',
          { class: 'change' },
          element('span', { class: 'before' }, percent(first.before.value)),
          element('span', { class: 'arrow', 'aria-label': 'to' }, '→'),
          element('span', { class: 'after' }, percent(first.after.value)),
        ),
        gain(first),
      ),
      intervalPlot([
        { name: 'before', interval: first.before },
        { name: 'after', interval: first.after },
        ...(first.control === null ? [] : [{ name: 'control', interval: first.control }]),
      ]),
      element('div', { class: 'verdicts' }, ...verdicts.map((verdict) => element('p', {}, verdict))),
    ),
    table(result),
    descriptions(result),
  );
}

function gain({ difference }: MetricComparison): HTMLElement {
  if (difference === null) return element('p', { class: 'gain unclear' }, 'not compared');
  const kind = difference.low > 0 ? 'better' : difference.high < 0 ? 'worse' : 'unclear';
  const text = `${points(difference.value)} points`;
  return element(
    'p',
    { class: `gain ${kind}` },
    element('strong', {}, text),
    ` (${points(difference.low)} to ${points(difference.high)})`,
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
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'All metrics' },
    element(
      'table',
      { class: 'metrics' },
      element(
        'caption',
        {},
        `All metrics on the same ${count(n, 'problem')}, with 95 % confidence intervals. Differences are paired by problem.`,
      ),
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
    ['Control', control ?? 'None.'],
  ] as const;
  return element(
    'dl',
    { class: 'pairs' },
    ...rows.map(([term, sentence]) => element('div', {}, element('dt', {}, term), element('dd', {}, sentence))),
  );
}
