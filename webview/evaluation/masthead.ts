import type { EvaluationReport, EvaluationSummary } from '../../src/protocol/evaluation.ts';
import { element } from '../element.ts';
import { number, percent } from '../numbers.ts';
import type { Host } from './host.ts';
import { baseName, madeAt, modelName } from './names.ts';

/** What was evaluated and how, what it is compared with, and the ways out of the page. */
export function masthead({ evaluation, compared, others }: EvaluationReport, host: Host): HTMLElement {
  const { task, run, result } = evaluation;
  return element(
    'header',
    {},
    element('h1', {}, `${modelName(evaluation)} on ${task}`),
    element('p', { class: 'note' }, conditions(evaluation).join(' · ')),
    element(
      'p',
      { class: 'note' },
      `${number(result?.forwards_per_answer ?? 0)} forward passes an answer, tokens per pass ${number(result?.tokens_per_forward ?? 0)}; ${number(result?.seconds ?? 0)} s. Run ${run}.`,
    ),
    element(
      'div',
      { class: 'controls', role: 'toolbar', 'aria-label': 'Evaluation' },
      choice(compared, others, host),
      exportButton('jsonl', 'Export JSONL', host),
      exportButton('csv', 'Export CSV', host),
    ),
  );
}

function conditions(evaluation: EvaluationSummary): string[] {
  const { result, samples, asReleased, data, seed } = evaluation;
  return [
    madeAt(evaluation),
    `${result?.n ?? 0} problems${data === null ? '' : ` of ${baseName(data)}`}`,
    samples === 1 ? 'one answer each' : `${samples} answers each`,
    ...(asReleased ? ['graded as the released evaluator does'] : []),
    `seed ${seed}`,
  ];
}

function choice(compared: EvaluationSummary | null, others: readonly EvaluationSummary[], host: Host): HTMLElement {
  const select = element(
    'select',
    { disabled: others.length === 0 },
    element('option', { value: '' }, others.length === 0 ? 'no other evaluation of this task' : 'nothing'),
    ...others.map((other) => element('option', { value: other.dir }, described(other))),
  );
  select.value = compared?.dir ?? '';
  select.addEventListener('change', () => host.ask({ kind: 'compare', against: select.value || null }));
  return element('label', { class: 'choice' }, 'Compare with ', select);
}

function described(other: EvaluationSummary): string {
  const [first] = Object.values(other.result?.metrics ?? {});
  return `${modelName(other)}, ${madeAt(other)}${first ? `, ${percent(first.value)}` : ''}`;
}

function exportButton(format: 'jsonl' | 'csv', text: string, host: Host): HTMLElement {
  const made = element('button', { type: 'button' }, text);
  made.addEventListener('click', () => host.ask({ kind: 'export', format }));
  return made;
}
