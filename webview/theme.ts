/**
 * Calls `listener` whenever the page's colours change, for canvases that have to be repainted: with the system's theme,
 * for printing, and with VS Code's theme, which sets attributes of the page. Ends with `signal`.
 */
export function onRecolour(listener: () => void, signal: AbortSignal): void {
  for (const query of ['(prefers-color-scheme: dark)', 'print'])
    matchMedia(query).addEventListener('change', listener, { signal });
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['style', 'class'] });
  observer.observe(document.body, { attributeFilter: ['class', 'data-vscode-theme-id', 'data-vscode-theme-kind'] });
  signal.addEventListener('abort', () => observer.disconnect());
}

/** Whether the user has asked the system or VS Code to reduce motion. */
export const reducedMotion = (): boolean =>
  matchMedia('(prefers-reduced-motion: reduce)').matches || document.body.classList.contains('vscode-reduce-motion');

/** The computed value of one of the page's colours, for drawing on a canvas. */
export function colour(name: string): string {
  const probe = document.createElement('span');
  probe.style.setProperty('color', `var(--${name})`);
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
