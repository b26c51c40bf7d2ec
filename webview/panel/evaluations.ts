import type { Evaluation, EvaluationEvent } from '../../src/protocol/events.ts';
import type { Interval } from '../../src/protocol/interval.ts';
import { element } from '../element.ts';
import { count, label, number, percent } from '../numbers.ts';
import { commandButton, emptyView } from './controls.ts';
import type { Host } from './host.ts';

/** The first and the last evaluation of each task and split, side by side. */
export function evaluationTables(events: readonly EvaluationEvent[], host: Host): HTMLElement[] {
  if (events.length === 0)
    return [
      emptyView(
        'This run has no evaluation yet. Press Run SPG Eval to measure a model on held-out problems.',
        host,
        'runSpgEval',
      ),
    ];
  const kinds = [...new Set(events.map(({ evaluation }) => kindOf(evaluation)))];
  const tables = kinds.flatMap((kind) => {
    const own = events.filter(({ evaluation }) => kindOf(evaluation) === kind).sort((a, b) => a.step - b.step);
    const [first, last] = [own[0] as EvaluationEvent, own.at(-1) as EvaluationEvent];
    return first === last ? one(kind, first) : two(kind, first, last);
  });
  return [
    ...tables,
    element(
      'p',
      { class: 'note' },
      '95 % confidence intervals, one evaluation each. Run SPG Eval compares both models on the same problems, which shows smaller differences.',
    ),
    element('div', { class: 'controls' }, commandButton('runSpgEval', host)),
  ];
}

const kindOf = ({ task, split }: Evaluation): string => `${task}, ${split}`;

function one(kind: string, { step, evaluation }: EvaluationEvent): HTMLElement[] {
  const rows = Object.entries(evaluation.metrics).map(([name, interval]) => [name, cell(interval)] as const);
  return [
    table(`${kind}, ${count(evaluation.n, 'problem')}`, [`After ${count(step, 'step')}`], rows),
    element('p', {}, 'This is the first evaluation. A comparison appears after the next one.'),
  ];
}

function two(kind: string, first: EvaluationEvent, last: EvaluationEvent): HTMLElement[] {
  const [before, after] = [first.evaluation, last.evaluation];
  const names = Object.keys(after.metrics).filter((name) => before.metrics[name] !== undefined);
  const problems =
    before.n === after.n ? count(after.n, 'problem') : `${count(before.n, 'problem')} before, ${after.n} after`;
  const rows = names.map(
    (name) => [name, cell(before.metrics[name] as Interval), cell(after.metrics[name] as Interval)] as const,
  );
  return [
    table(`${kind}, ${problems}`, [`After ${count(first.step, 'step')}`, `After ${count(last.step, 'step')}`], rows),
    element(
      'ul',
      { class: 'verdicts' },
      ...names.map((name) =>
        element('li', {}, verdict(label(name), before.metrics[name] as Interval, after.metrics[name] as Interval)),
      ),
    ),
  ];
}

/** The conclusion from two independent intervals. */
export function verdict(name: string, before: Interval, after: Interval): string {
  const subject = name.charAt(0).toUpperCase() + name.slice(1);
  const [from, to] = [shown(before.value), shown(after.value)];
  if (before.low > after.high || after.low > before.high)
    return `${subject} ${after.value > before.value ? 'rose' : 'fell'} from ${from} to ${to}. The confidence intervals do not overlap.`;
  if (before.value === after.value) return `${subject} stayed at ${to}.`;
  return `${subject} went from ${from} to ${to}. The confidence intervals overlap, so the change may be due to chance.`;
}

/** Formats values from 0 to 1 as percentages, because most metrics are proportions, and other values as numbers. */
const shown = (value: number): string => (value >= 0 && value <= 1 ? percent(value) : number(value));

function cell({ value, low, high }: Interval): HTMLElement {
  return element(
    'td',
    {},
    element('strong', {}, shown(value)),
    element('span', { class: 'range' }, `${shown(low)} to ${shown(high)}`),
  );
}

function table(
  caption: string,
  columns: readonly string[],
  rows: readonly (readonly [name: string, ...cells: HTMLElement[]])[],
): HTMLElement {
  return element(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': `Evaluations: ${caption}` },
    element(
      'table',
      { class: 'metrics' },
      element('caption', {}, caption),
      element(
        'thead',
        {},
        element('tr', {}, ...['Metric', ...columns].map((name) => element('th', { scope: 'col' }, name))),
      ),
      element(
        'tbody',
        {},
        ...rows.map(([name, ...cells]) => element('tr', {}, element('th', { scope: 'row' }, label(name)), ...cells)),
      ),
    ),
  );
}
