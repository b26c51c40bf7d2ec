/**
 * Calls `listener` whenever the page's colours change, for what is painted and does not follow by itself: the system's
 * theme, the printer's, and in VS Code the theme that the user chose, which shows as attributes of the page. Ends with `signal`.
 */
export function onRecolour(listener: () => void, signal: AbortSignal): void {
  for (const query of ['(prefers-color-scheme: dark)', 'print'])
    matchMedia(query).addEventListener('change', listener, { signal });
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributeFilter: ['class', 'data-vscode-theme-id', 'data-vscode-theme-kind'] });
  signal.addEventListener('abort', () => observer.disconnect());
}

/** Whether the user wants nothing to move, said to the system or to VS Code. */
export const reducedMotion = (): boolean =>
  matchMedia('(prefers-reduced-motion: reduce)').matches || document.body.classList.contains('vscode-reduce-motion');

/** One of the page's colours as a canvas understands it: the style sheet may mix it from others. */
export function colour(name: string): string {
  const probe = document.createElement('span');
  probe.style.setProperty('color', `var(--${name})`);
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
