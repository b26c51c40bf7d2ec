import { setTimeout as delay } from 'node:timers/promises';
import { styleText } from 'node:util';
import { printableLine } from '../protocol/printable.ts';
import type { Frame } from '../protocol/sample.ts';

/** Milliseconds per frame on a terminal. */
const frameTime = 90;

export interface DenoisingView {
  readonly frames: readonly Frame[];
  /** Tokens per line; undefined: one line. */
  readonly columns?: number | undefined;
}

/**
 * Shows how a completion is denoised. On a terminal, each frame replaces the previous one; otherwise each frame is a line.
 * Masked tokens are dots, and the tokens of the current step are highlighted.
 */
export async function showDenoising(
  { frames, columns }: DenoisingView,
  terminal: NodeJS.WriteStream = process.stderr,
): Promise<void> {
  if (!terminal.isTTY) {
    for (const line of frameLines(frames, columns)) terminal.write(`${line}\n`);
    return;
  }
  const height = canvasLines(frames[0] as Frame, columns, true).length + 1;
  for (const [index, frame] of frames.entries()) {
    if (index > 0) terminal.write(`\x1b[${height}A`);
    const lines = [`step ${frame.step + 1} of ${frames.length}`, ...canvasLines(frame, columns, true)];
    for (const line of lines) terminal.write(`\x1b[2K  ${line}\n`);
    await delay(frameTime);
  }
}

/** One line per frame, without colours. Masked tokens are dots. */
export function frameLines(frames: readonly Frame[], columns?: number): string[] {
  return frames.map(
    (frame) => `  step ${String(frame.step + 1).padStart(2)}  ${canvasLines(frame, columns, false).join(' | ')}`,
  );
}

function canvasLines({ tokens, revealedAt, step }: Frame, columns: number | undefined, colour: boolean): string[] {
  const cells = tokens.map((token, position) => {
    const shown = token === null ? '·' : printableLine(token);
    if (!colour) return shown;
    if (token === null) return styleText('dim', shown);
    return revealedAt[position] === step ? styleText(['bold', 'green'], shown) : shown;
  });
  if (columns === undefined) return [cells.join('')];
  return Array.from({ length: Math.ceil(cells.length / columns) }, (_, row) =>
    cells.slice(row * columns, (row + 1) * columns).join(' '),
  );
}
