import { element } from '../element.ts';
import type { ViewStore } from './view-state.ts';

/** A section that can be collapsed and keeps that state. The `details` element provides the keys and roles. */
export function collapsible(
  store: ViewStore,
  id: string,
  title: string,
  ...children: readonly (Node | string)[]
): HTMLDetailsElement {
  const { closed } = store.state;
  const details = element(
    'details',
    { class: 'collapsible', id, open: !closed.includes(id) },
    element('summary', {}, element('h2', {}, title)),
    element('div', { class: 'body' }, ...children),
  );
  details.addEventListener('toggle', () => {
    const others = store.state.closed.filter((other) => other !== id);
    store.change({ closed: details.open ? others : [...others, id] });
  });
  return details;
}
