import type { ReportSample, ReportSamples } from '../src/protocol/report.ts';
import { element, missing, section } from './element.ts';
import { label, number } from './numbers.ts';

/** Completions per page: a step can have hundreds. */
const pageSize = 20;

/** The section with the completions of a step as a table, one page at a time. */
export function samples(steps: readonly ReportSamples[]): HTMLElement {
  if (steps.length === 0) return section('samples', 'Samples', missing('This run has no samples.'));
  const pages = steps.flatMap(({ step, records }) => {
    const count = Math.max(1, Math.ceil(records.length / pageSize));
    return Array.from({ length: count }, (_, page) => ({
      title: `Step ${step}${count > 1 ? `, ${page * pageSize + 1} to ${Math.min(records.length, (page + 1) * pageSize)} of ${records.length}` : ''}`,
      first: page * pageSize,
      records: records.slice(page * pageSize, (page + 1) * pageSize),
    }));
  });
  const choice = element(
    'select',
    { 'aria-label': 'Step to show' },
    ...pages.map(({ title }, page) => element('option', { value: page }, title)),
  );
  const back = element('button', { type: 'button' }, '‹ Previous');
  const forward = element('button', { type: 'button' }, 'Next ›');
  const body = element('div', {
    class: 'scroll',
    tabindex: 0,
    role: 'region',
    'aria-label': 'Completions of the step',
  });
  const show = (page: number) => {
    const { title, first, records } = pages[page] as (typeof pages)[number];
    choice.value = String(page);
    back.disabled = page === 0;
    forward.disabled = page === pages.length - 1;
    body.replaceChildren(records.length > 0 ? table(title, first, records) : missing('This step has no samples.'));
  };
  choice.addEventListener('change', () => show(Number(choice.value)));
  back.addEventListener('click', () => show(Number(choice.value) - 1));
  forward.addEventListener('click', () => show(Number(choice.value) + 1));
  show(0);
  return section(
    'samples',
    'Samples',
    element(
      'p',
      {},
      'Completions that the model generated during tuning. The advantage is the reward minus the mean reward of all completions of the same prompt. Tuning makes completions with a positive advantage more likely, and those with a negative advantage less likely.',
    ),
    element('div', { class: 'controls' }, back, choice, forward),
    body,
  );
}

function table(title: string, first: number, records: readonly ReportSample[]): HTMLElement {
  const parts = [...new Set(records.flatMap(({ rewards }) => Object.keys(rewards)))].filter((name) => name !== 'total');
  const heads = ['#', 'Prompt', 'Completion', ...parts.map(label), 'Reward', 'Advantage'];
  const value = (value: number | undefined) =>
    element('td', { class: 'number' }, value === undefined ? '' : number(value));
  return element(
    'table',
    { class: 'samples' },
    element('caption', {}, title),
    element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
    element(
      'tbody',
      {},
      ...records.map(({ prompt, completion, rewards, advantage }, index) =>
        element(
          'tr',
          {},
          element('td', { class: 'number' }, String(first + index + 1)),
          element('td', {}, element('pre', {}, prompt)),
          element('td', {}, element('pre', {}, completion)),
          ...parts.map((part) => value(rewards[part])),
          value(rewards.total),
          element(
            'td',
            { class: `number ${advantage > 0 ? 'better' : advantage < 0 ? 'worse' : ''}` },
            `${advantage > 0 ? '+' : ''}${number(advantage)}`.replace('-', '\u2212'),
          ),
        ),
      ),
    ),
  );
}
