import type { Chart } from './chart-data.ts';
import { element } from './element.ts';

/** The numbers of a chart as a table. It is filled when it is opened, and extended while the chart grows. */
export function numbersTable(): {
  readonly root: HTMLElement;
  show(spec: Chart, format: (value: number) => string): void;
} {
  const container = element('div', { class: 'scroll numbers', tabindex: 0, role: 'region' });
  const root = element('details', {}, element('summary', {}, 'Numbers'), container);
  let shown: (() => void) | null = null;
  let body: HTMLTableSectionElement | null = null;
  let written: Chart | null = null;
  const show = (spec: Chart, format: (value: number) => string) => {
    shown = () => show(spec, format);
    container.setAttribute('aria-label', `Numbers of ${spec.title}`);
    if (!root.open) return;
    if (body === null || written === null || !growsFrom(written, spec)) {
      body = element('tbody');
      const heads = ['Step', ...spec.curves.map(({ label }) => label)];
      const head = element('tr', {}, ...heads.map((name) => element('th', { scope: 'col' }, name)));
      container.replaceChildren(element('table', {}, element('thead', {}, head), body));
    }
    const from = body.rows.length;
    body.append(...spec.steps.slice(from).map((step, index) => row(spec, step, from + index, format)));
    written = spec;
  };
  root.addEventListener('toggle', () => shown?.());
  return { root, show };
}

/** Whether a chart only adds steps at the end of an earlier one. A compared run can change earlier rows. */
const growsFrom = (before: Chart, now: Chart): boolean =>
  before.curves.length === now.curves.length &&
  before.curves.every(({ label }, index) => label === now.curves[index]?.label) &&
  now.curves.every(({ comparedWith }) => comparedWith === undefined) &&
  before.steps.every((step, index) => step === now.steps[index]);

const row = ({ curves }: Chart, step: number, index: number, format: (value: number) => string): HTMLElement =>
  element(
    'tr',
    {},
    element('th', { scope: 'row' }, String(step)),
    ...curves.map(({ values }) => {
      const value = values[index];
      return element('td', { class: 'number' }, value === null || value === undefined ? '' : format(value));
    }),
  );
