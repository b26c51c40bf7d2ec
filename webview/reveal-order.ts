import type { Frame } from '../src/protocol/sample.ts';
import { element } from './element.ts';
import { visibleText } from './token-text.ts';

/** A table of the tokens by the step that revealed them, as an alternative to the colours. It is filled when opened. */
export function revealOrder(frames: () => readonly Frame[]): { readonly root: HTMLElement; refresh(): void } {
  const title = 'Tokens in reveal order';
  const body = element('tbody');
  const heads = ['Step', 'Position', 'Token', 'Confidence'];
  const root = element(
    'details',
    {},
    element('summary', {}, title),
    element(
      'div',
      { class: 'scroll numbers', tabindex: 0, role: 'region', 'aria-label': title },
      element(
        'table',
        {},
        element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
        body,
      ),
    ),
  );
  const refresh = () => {
    if (root.open) body.replaceChildren(...rows(frames().at(-1)));
  };
  root.addEventListener('toggle', refresh);
  return { root, refresh };
}

function rows(end: Frame | undefined): HTMLElement[] {
  return (end?.tokens ?? [])
    .map((token, index) => ({
      token,
      index,
      at: end?.revealedAt[index] ?? null,
      sure: end?.confidence[index] ?? null,
    }))
    .filter(({ token }) => token !== null && token !== '')
    .sort((a, b) => (a.at ?? 0) - (b.at ?? 0) || a.index - b.index)
    .map(({ token, index, at, sure }) =>
      element(
        'tr',
        {},
        element('td', { class: 'number' }, at === null ? '' : String(at + 1)),
        element('td', { class: 'number' }, String(index + 1)),
        element('td', {}, element('code', {}, visibleText(token ?? ''))),
        element('td', { class: 'number' }, sure === null ? '' : sure.toFixed(3)),
      ),
    );
}
