import type { EvaluationReport, MetricDifference } from '../../src/protocol/evaluation.ts';
import type { Interval } from '../../src/protocol/interval.ts';
import { element, section } from '../element.ts';
import { intervalPlot } from '../interval-plot.ts';
import { count, label, percent, points } from '../numbers.ts';

/** All metrics with their intervals, next to those of the compared evaluation, and the conclusions. */
export function result({ evaluation, compared, differences, shared, verdicts }: EvaluationReport): HTMLElement {
  const metrics = Object.entries(evaluation.result?.metrics ?? {});
  const paired =
    compared === null
      ? []
      : [
          `“This” and “other” are compared on the ${count(shared, 'problem')} that both answered; differences are paired by problem.`,
        ];
  const difference = (name: string) => differences.find((candidate) => candidate.name === name);
  return section(
    'result',
    'Result',
    element('div', { class: 'verdicts' }, ...verdicts.map((verdict) => element('p', {}, verdict))),
    element(
      'div',
      { class: 'metric-cards' },
      ...metrics.map(([name, own]) => card(name, own, difference(name) ?? null, shared)),
    ),
    element(
      'p',
      { class: 'note' },
      ['Dots are estimates, whiskers are 95 % confidence intervals.', ...paired].join(' '),
    ),
  );
}

function card(name: string, own: Interval, difference: MetricDifference | null, shared: number): HTMLElement {
  const rows =
    difference === null
      ? [{ name: 'this', colour: 'after' as const, interval: own }]
      : [
          { name: 'other', colour: 'before' as const, interval: difference.before },
          { name: 'this', colour: 'after' as const, interval: difference.after },
        ];
  return element(
    'div',
    { class: 'card' },
    element('h3', {}, label(name)),
    element(
      'p',
      { class: 'measured' },
      element('strong', {}, percent(own.value)),
      element('span', { class: 'range' }, `95 % CI ${percent(own.low)} to ${percent(own.high)}`),
    ),
    intervalPlot(rows),
    ...(difference === null ? [] : [change(difference, shared)]),
  );
}

function change({ difference, verdict, better, worse, equal }: MetricDifference, shared: number): HTMLElement {
  const kind = verdict === 'not distinguishable' ? 'unclear' : verdict;
  return element(
    'div',
    { class: 'change' },
    element(
      'p',
      { class: `verdict ${kind}` },
      element('strong', {}, verdict === 'not distinguishable' ? 'no measurable difference' : verdict),
      ` ${points(difference.value)} points (${points(difference.low)} to ${points(difference.high)})`,
    ),
    element(
      'p',
      { class: 'note' },
      `Better on ${better}, worse on ${worse}, the same on ${equal} of ${count(shared, 'problem')}.`,
    ),
  );
}
