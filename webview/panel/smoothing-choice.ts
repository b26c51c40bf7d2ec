import { element } from '../element.ts';
import type { ViewStore } from './view-state.ts';

/** Windows of the running mean, in steps. */
const windows = [1, 5, 10, 25, 50, 100] as const;

/** Lets the user choose how much curves are smoothed. The choice is part of the view's state. */
export function smoothingChoice(store: ViewStore, changed: () => void): HTMLElement {
  const select = element(
    'select',
    {},
    element('option', { value: '' }, 'automatic'),
    ...windows.map((window) => element('option', { value: `${window}` }, window === 1 ? 'off' : `${window} steps`)),
  );
  select.value = `${store.state.smoothing ?? ''}`;
  select.addEventListener('change', () => {
    store.change({ smoothing: select.value === '' ? null : Number(select.value) });
    changed();
  });
  return element('label', { class: 'smoothing' }, 'Smoothing: ', select);
}
