import type { Denoising } from '../src/protocol/report.ts';
import type { Frame } from '../src/protocol/sample.ts';
import { element } from './element.ts';
import { visibleText } from './token-text.ts';

/** The drawing of a canvas: one box per token. */
export interface TokenCanvas {
  readonly root: HTMLElement;
  /** The boxes, one per position; they are reused for every frame, so that a box can keep the focus. */
  readonly boxes: readonly HTMLElement[];
  /** `fresh`: the positions revealed in this frame. `last`: the last step, from 0, for the colour scale. */
  draw(frame: Frame, fresh: ReadonlySet<number>, last: number): void;
}

/** Draws a canvas of `positions` tokens: as a grid if it has a layout, and the remaining tokens as running text. */
export function tokenCanvas(positions: number, layout: Denoising['layout']): TokenCanvas {
  const boxes = Array.from({ length: positions }, () => element('span', { class: 'token' }));
  const cells = layout?.cells ?? 0;
  const flow = element('p', { class: layout ? 'flow after' : 'flow', role: 'presentation' }, ...boxes.slice(cells));
  const parts = [...(layout ? [grid(boxes.slice(0, cells), layout)] : []), ...(positions > cells ? [flow] : [])];
  return {
    root: element('div', { class: 'canvas' }, ...parts),
    boxes,
    draw(frame, fresh, last) {
      for (const [position, box] of boxes.entries()) {
        drawToken(box, frame, position, Math.max(1, last));
        box.classList.toggle('fresh', fresh.has(position));
        if (position >= cells) breakAfter(box, frame.tokens[position]?.endsWith('\n') ?? false);
      }
    },
  };
}

function grid(boxes: readonly HTMLElement[], { columns, given, box: every }: NonNullable<Denoising['layout']>) {
  const made = element('div', { class: 'grid4', role: 'presentation' }, ...boxes);
  made.style.setProperty('--columns', String(columns));
  for (const [index, box] of boxes.entries()) {
    const [row, column] = [Math.floor(index / columns), index % columns];
    box.classList.toggle('given', given?.[index] ?? false);
    box.classList.toggle('box-left', every !== undefined && column % every === 0 && column > 0);
    box.classList.toggle('box-top', every !== undefined && row % every === 0 && row > 0);
  }
  return made;
}

function drawToken(box: HTMLElement, frame: Frame, position: number, last: number): void {
  const text = frame.tokens[position] ?? null;
  const shown = text === null || text === '' ? '\u00a0' : visibleText(text);
  if (box.textContent !== shown) box.textContent = shown;
  box.classList.toggle('masked', text === null);
  box.classList.toggle('empty', text === '');
  colour(box, (frame.revealedAt[position] ?? 0) / last, frame.confidence[position] ?? null);
}

/** Colours a token by its reveal time (0 first, 1 last) and draws its confidence bar; the style sheet sets the colours. */
export function colour(box: HTMLElement, when: number, confidence: number | null): void {
  const part = 2 * Math.min(1, Math.max(0, when));
  box.style.setProperty('--from', part < 1 ? 'var(--early)' : 'var(--middle)');
  box.style.setProperty('--to', part < 1 ? 'var(--middle)' : 'var(--late)');
  box.style.setProperty('--mix', `${(100 * (part < 1 ? part : part - 1)).toFixed(1)}%`);
  box.style.setProperty('--sure', Math.min(1, Math.max(0, confidence ?? 0)).toFixed(3));
}

/** Adds or removes the line break after a token. */
function breakAfter(box: HTMLElement, isNeeded: boolean): void {
  const next = box.nextElementSibling;
  if (isNeeded && next?.tagName !== 'BR') box.after(element('br'));
  if (!isNeeded && next?.tagName === 'BR') next.remove();
}
