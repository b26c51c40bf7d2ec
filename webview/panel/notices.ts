import { element } from '../element.ts';
import { icon, iconButton } from './controls.ts';

/** Error messages, shown until the user dismisses them. */
export function notices(): { readonly root: HTMLElement; show(reason: string): void } {
  const root = element('div', { class: 'notices', role: 'alert' });
  return {
    root,
    show(reason) {
      const notice = element('p', { class: 'notice error' }, icon('error'), element('span', {}, reason));
      notice.append(iconButton('Dismiss', 'close', () => notice.remove()));
      // A repeated message replaces the earlier one.
      for (const other of root.children) if (other.textContent === notice.textContent) other.remove();
      root.append(notice);
    },
  };
}
