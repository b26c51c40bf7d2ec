import { element } from '../element.ts';
import { icon, iconButton } from './controls.ts';

/** What could not be done, until somebody has read it. */
export function notices(): { readonly root: HTMLElement; show(reason: string): void } {
  const root = element('div', { class: 'notices', role: 'alert' });
  return {
    root,
    show(reason) {
      const notice = element('p', { class: 'notice error' }, icon('error'), element('span', {}, reason));
      notice.append(iconButton('Dismiss', 'close', () => notice.remove()));
      // The same sentence twice says no more than once.
      for (const other of root.children) if (other.textContent === notice.textContent) other.remove();
      root.append(notice);
    },
  };
}
