import type { EvaluationReport, EvaluationSummary } from '../../src/protocol/evaluation.ts';
import { element } from '../element.ts';
import { count, number, percent } from '../numbers.ts';
import type { Host } from './host.ts';
import { baseName, madeAt, modelName } from './names.ts';

/** The head of the page: what was evaluated and how, the choice of a comparison, and the export buttons. */
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
      `Forward passes per answer: ${number(result?.forwards_per_answer ?? 0)} · tokens per pass: ${number(result?.tokens_per_forward ?? 0)} · time: ${number(result?.seconds ?? 0)} s · run ${run}`,
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
    `${count(result?.n ?? 0, 'problem')}${data === null ? '' : ` from ${baseName(data)}`}`,
    `${count(samples, 'answer')} per problem`,
    ...(asReleased ? ['graded like the released evaluator'] : []),
    `seed ${seed}`,
  ];
}

function choice(compared: EvaluationSummary | null, others: readonly EvaluationSummary[], host: Host): HTMLElement {
  const select = element(
    'select',
    { disabled: others.length === 0 },
    element('option', { value: '' }, others.length === 0 ? 'no other evaluation of this task' : 'none'),
    ...others.map((other) => element('option', { value: other.dir }, describeOption(other))),
  );
  select.value = compared?.dir ?? '';
  select.addEventListener('change', () => host.ask({ kind: 'compare', against: select.value || null }));
  return element('label', { class: 'choice' }, 'Compare with ', select);
}

function describeOption(other: EvaluationSummary): string {
  const [first] = Object.values(other.result?.metrics ?? {});
  return `${modelName(other)}, ${madeAt(other)}${first ? `, ${percent(first.value)}` : ''}`;
}

function exportButton(format: 'jsonl' | 'csv', text: string, host: Host): HTMLElement {
  const made = element('button', { type: 'button' }, text);
  made.addEventListener('click', () => host.ask({ kind: 'export', format }));
  return made;
}
