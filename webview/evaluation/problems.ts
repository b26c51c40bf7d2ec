import type { EvaluationReport, EvaluationRow, RowOutcome } from '../../src/protocol/evaluation.ts';
import { element, missing, section } from '../element.ts';
import { percent } from '../numbers.ts';

/** Problems per page: an evaluation can have thousands. */
const pageSize = 25;
/** Maximum number of characters of an answer in a table cell. */
const answerLength = 80;

interface Filter {
  readonly name: string;
  readonly accepts: (row: EvaluationRow) => boolean;
  /** Whether the filter applies without a comparison. */
  readonly withoutComparison: boolean;
}

const filters: readonly Filter[] = [
  { name: 'All', accepts: () => true, withoutComparison: true },
  { name: 'Wrong', accepts: ({ shown }) => shown.correct < shown.samples, withoutComparison: true },
  { name: 'Differs', accepts: differs, withoutComparison: false },
  { name: 'Better', accepts: ({ change }) => change === 'better', withoutComparison: false },
  { name: 'Worse', accepts: ({ change }) => change === 'worse', withoutComparison: false },
];

function differs({ change, shown, compared }: EvaluationRow): boolean {
  return compared !== null && (change !== 'same' || shown.extracted !== compared.extracted);
}

/** The problems as a table with filters; `open` is called with the row that the user selects. */
export function problems({ rows, compared }: EvaluationReport, open: (row: EvaluationRow) => void): HTMLElement {
  const usable = filters.filter(({ withoutComparison }) => withoutComparison || compared !== null);
  const buttons = usable.map(({ name, accepts }) =>
    element(
      'button',
      { type: 'button', 'aria-pressed': 'false' },
      `${name} `,
      element('span', { class: 'count' }, String(rows.filter(accepts).length)),
    ),
  );
  const back = element('button', { type: 'button', 'aria-label': 'Previous page' }, '‹');
  const forward = element('button', { type: 'button', 'aria-label': 'Next page' }, '›');
  const where = element('output', { 'aria-live': 'polite' });
  const body = element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Problems' });
  let [filter, page] = [0, 0];
  let opened: string | null = null;

  const show = () => {
    const accepted = rows.filter((usable[filter] as Filter).accepts);
    const last = Math.max(0, Math.ceil(accepted.length / pageSize) - 1);
    page = Math.min(page, last);
    const first = page * pageSize;
    const visible = accepted.slice(first, first + pageSize);
    for (const [index, button] of buttons.entries()) button.setAttribute('aria-pressed', String(index === filter));
    back.disabled = page === 0;
    forward.disabled = page === last;
    where.textContent =
      accepted.length === 0 ? 'none' : `${first + 1} to ${first + visible.length} of ${accepted.length}`;
    body.replaceChildren(
      visible.length === 0
        ? missing('No problems match this filter.')
        : table(visible, compared !== null, opened, (row, line) => {
            opened = row.problem;
            for (const other of body.querySelectorAll('[aria-current]')) other.removeAttribute('aria-current');
            line.setAttribute('aria-current', 'true');
            open(row);
          }),
    );
  };
  buttons.forEach((button, index) => {
    button.addEventListener('click', () => {
      [filter, page] = [index, 0];
      show();
    });
  });
  back.addEventListener('click', () => {
    page--;
    show();
  });
  forward.addEventListener('click', () => {
    page++;
    show();
  });
  show();
  return section(
    'problems',
    'Problems',
    element(
      'div',
      { class: 'controls' },
      element('div', { class: 'filters', role: 'group', 'aria-label': 'Show' }, ...buttons),
      back,
      where,
      forward,
    ),
    element('p', { class: 'note' }, 'Click a row or press Enter to see its answers and their denoising.'),
    body,
  );
}

function table(
  rows: readonly EvaluationRow[],
  compares: boolean,
  opened: string | null,
  open: (row: EvaluationRow, line: HTMLElement) => void,
): HTMLElement {
  const heads = ['#', 'Problem', 'This', ...(compares ? ['Other', 'Change'] : [])];
  const lines = rows.map((row) => {
    const line = element(
      'tr',
      { tabindex: 0, 'aria-current': row.problem === opened ? 'true' : null },
      element('td', { class: 'number' }, String(row.number)),
      element('td', { class: 'problem' }, row.label),
      outcomeCell(row.shown),
      ...(compares ? [outcomeCell(row.compared), changeCell(row)] : []),
    );
    line.addEventListener('click', () => open(row, line));
    line.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') open(row, line);
      else if (!moveTo(line, event.key)) return;
      event.preventDefault();
    });
    return line;
  });
  return element(
    'table',
    { class: 'rows' },
    element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
    element('tbody', {}, ...lines),
  );
}

/** Moves the focus to another row with the arrow keys. */
function moveTo(line: HTMLElement, key: string): boolean {
  const next = { ArrowUp: line.previousElementSibling, ArrowDown: line.nextElementSibling }[key];
  if (!(next instanceof HTMLElement)) return false;
  next.focus();
  return true;
}

function outcomeCell(outcome: RowOutcome | null): HTMLElement {
  if (outcome === null) return element('td', { class: 'none' }, 'not evaluated');
  const { correct, samples, score, extracted } = outcome;
  const text = samples > 1 ? `${correct} of ${samples} right` : correct === 1 ? 'right' : 'wrong';
  const partly = correct < samples && score > 0 ? ` (${percent(score)})` : '';
  return element(
    'td',
    { class: 'outcome-cell' },
    element('span', { class: correct === samples ? 'right' : 'wrong' }, `${text}${partly}`),
    element('code', {}, extracted === null ? 'no answer' : cut(extracted)),
  );
}

function changeCell({ change }: EvaluationRow): HTMLElement {
  const changed = change === 'better' || change === 'worse';
  return element('td', { class: changed ? change : 'none' }, changed ? element('strong', {}, change) : (change ?? ''));
}

const cut = (text: string): string => (text.length > answerLength ? `${text.slice(0, answerLength - 1)}…` : text);
