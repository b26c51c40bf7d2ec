import type { Frame, RunnerUp } from '../src/protocol/sample.ts';
import { element } from './element.ts';
import { percent } from './numbers.ts';
import type { TokenCanvas } from './token-canvas.ts';
import { describeReveal, describeToken, tokenName } from './token-text.ts';

let made = 0;

/**
 * Shows details of a token, selected with the pointer or the arrow keys: when it was revealed, its confidence and its
 * alternatives. The canvas is a listbox with one tab stop, so that screen readers pass on the arrow keys. The tooltip
 * follows WCAG 2.2, 1.4.13: Esc hides it, and the pointer can move onto it.
 */
export function inspectTokens({ root, boxes }: TokenCanvas): {
  readonly tooltip: HTMLElement;
  draw(frame: Frame): void;
} {
  const tooltip = element('div', {
    class: 'token-tooltip',
    role: 'tooltip',
    id: `token-tooltip-${++made}`,
    hidden: true,
  });
  root.setAttribute('role', 'listbox');
  root.setAttribute('aria-orientation', 'horizontal');
  for (const [position, box] of boxes.entries()) {
    box.setAttribute('role', 'option');
    box.setAttribute('aria-selected', 'false');
    box.tabIndex = position === 0 ? 0 : -1;
  }
  let frame: Frame | null = null;
  let shown: number | null = null;
  let leaving: ReturnType<typeof setTimeout> | undefined;

  const show = (position: number) => {
    clearTimeout(leaving);
    shown = position;
    const box = boxes[position] as HTMLElement;
    for (const other of boxes) other.setAttribute('aria-selected', String(other === box));
    box.setAttribute('aria-describedby', tooltip.id);
    tooltip.hidden = false;
    fill();
    const around = (tooltip.offsetParent ?? root).getBoundingClientRect();
    const { left, bottom } = box.getBoundingClientRect();
    const freeWidth = around.width - tooltip.offsetWidth;
    tooltip.style.setProperty('left', `${Math.max(0, Math.min(left - around.left, freeWidth))}px`);
    tooltip.style.setProperty('top', `${bottom - around.top + 4}px`);
  };
  const hide = () => {
    clearTimeout(leaving);
    if (shown !== null) {
      boxes[shown]?.removeAttribute('aria-describedby');
      boxes[shown]?.setAttribute('aria-selected', 'false');
    }
    shown = null;
    tooltip.hidden = true;
  };
  /** Waits a moment, because the pointer may be moving to the tooltip. */
  const leave = () => {
    clearTimeout(leaving);
    leaving = setTimeout(() => (focused() === null ? hide() : show(focused() as number)), 150);
  };
  const positionOf = (target: EventTarget | null) => boxes.indexOf(target as HTMLElement);
  const focused = () => {
    const position = positionOf(document.activeElement);
    return position === -1 ? null : position;
  };
  const fill = () => {
    if (frame !== null && shown !== null) tooltip.replaceChildren(...contents(frame, shown));
  };

  root.addEventListener('pointerover', ({ target }) => {
    const position = positionOf(target);
    if (position !== -1) show(position);
  });
  root.addEventListener('pointerleave', leave);
  tooltip.addEventListener('pointerenter', () => clearTimeout(leaving));
  tooltip.addEventListener('pointerleave', leave);
  root.addEventListener('focusin', ({ target }) => {
    const position = positionOf(target);
    if (position === -1) return;
    for (const box of boxes) box.tabIndex = -1;
    (boxes[position] as HTMLElement).tabIndex = 0;
    show(position);
  });
  root.addEventListener('focusout', hide);
  root.addEventListener('keydown', (event) => {
    const position = positionOf(event.target);
    if (position === -1) return;
    if (event.key === 'Escape') hide();
    const to = {
      ArrowLeft: position - 1,
      ArrowRight: position + 1,
      ArrowUp: inLine(boxes, position, -1),
      ArrowDown: inLine(boxes, position, 1),
      Home: 0,
      End: boxes.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    boxes[Math.min(boxes.length - 1, Math.max(0, to))]?.focus();
  });
  return {
    tooltip,
    draw(drawn) {
      frame = drawn;
      for (const [position, box] of boxes.entries()) box.setAttribute('aria-label', describeToken(drawn, position));
      fill();
    },
  };
}

/** The box nearest below (or above) another one, in the adjacent line of the wrapped text. */
function inLine(boxes: readonly HTMLElement[], position: number, direction: 1 | -1): number {
  const { offsetTop, offsetLeft } = boxes[position] as HTMLElement;
  const beyond = boxes.filter((box) => direction * (box.offsetTop - offsetTop) > 4);
  const line = beyond.reduce((best, box) => Math.min(best, direction * box.offsetTop), Number.POSITIVE_INFINITY);
  const inIt = beyond.filter((box) => direction * box.offsetTop <= line + 4);
  if (inIt.length === 0) return position;
  const away = (box: HTMLElement) => Math.abs(box.offsetLeft - offsetLeft);
  return boxes.indexOf(inIt.reduce((best, box) => (away(box) < away(best) ? box : best)));
}

function contents(frame: Frame, position: number): Node[] {
  const token = frame.tokens[position] ?? null;
  if (token === null) return [element('p', {}, 'Not revealed yet.')];
  const others = frame.runnersUp?.[position];
  return [
    element('p', {}, element('strong', {}, token === '' ? 'Empty, after the end' : tokenName(token))),
    element('p', {}, describeReveal(frame, position) ?? ''),
    ...(others && others.length > 0
      ? [element('p', {}, 'Alternatives:'), element('ul', {}, ...others.map(runnerUp))]
      : []),
  ];
}

function runnerUp({ token, probability }: RunnerUp): HTMLElement {
  const bar = element('span', { class: 'share', 'aria-hidden': 'true' });
  bar.style.setProperty('--share', Math.min(1, Math.max(0, probability)).toFixed(3));
  return element('li', {}, element('code', {}, tokenName(token)), ' ', element('span', {}, percent(probability)), bar);
}
