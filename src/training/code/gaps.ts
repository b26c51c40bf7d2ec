import { piecesOf } from '../../model/byte-pair-training.ts';
import type { Random } from '../../platform/random.ts';

/** A part of a text to complete: characters [start, end). */
export interface Gap {
  readonly start: number;
  readonly end: number;
}

/**
 * The kinds of gaps: the rest of a line, the rest of a line and some more lines, the body that a line opens, or any
 * span.
 */
export const gapKinds = ['line', 'lines', 'block', 'span'] as const;
export type GapKind = (typeof gapKinds)[number];

/** The approximate maximum number of characters that a canvas can hold. */
const longest = 200;

/**
 * Where a gap may begin: at the start of a pre-token (a name, a number, punctuation), or at any character. Models are
 * trained on the former only, because the decoder heals a partial token (`infill`).
 */
export type GapStart = 'piece' | 'character';

/** A gap of a kind at a random position; null if there is none at that position. */
export function drawGap(text: string, kind: GapKind, at: GapStart, random: Random): Gap | null {
  const gap = drawAnywhere(text, kind, random);
  if (gap === null || at === 'character' || kind === 'block') return gap;
  const begin = text.lastIndexOf('\n', gap.start - 1) + 1;
  let start = begin + indentationAt(text, begin);
  for (const piece of piecesOf(text.slice(start, gap.end))) {
    if (start + piece.length > gap.start) break;
    start += piece.length;
  }
  return within(start, gap.end);
}

function drawAnywhere(text: string, kind: GapKind, random: Random): Gap | null {
  if (kind === 'span') return drawSpan(text, random);
  const position = random.integer(text.length);
  const begin = text.lastIndexOf('\n', position - 1) + 1;
  const line = lineEnd(text, begin);
  const indentation = indentationAt(text, begin);
  if (begin + indentation >= line) return null;
  if (kind === 'block') return bodyBelow(text, begin, line, indentation);
  // Anywhere after the indentation and before the line's last character.
  const start = begin + indentation + random.integer(line - begin - indentation);
  if (kind === 'line') return within(start, line);
  let end = line;
  for (let more = 1 + random.integer(4); more > 0 && end < text.length - 1; more--) end = lineEnd(text, end + 1);
  return within(start, end);
}

function drawSpan(text: string, random: Random): Gap | null {
  const start = random.integer(text.length);
  return within(start, Math.min(text.length, start + 1 + random.integer(120)));
}

/** The indented lines below, from the end of the line that opens them. */
function bodyBelow(text: string, begin: number, line: number, indentation: number): Gap | null {
  if (!/[{([:]$|=>$/.test(text.slice(begin, line))) return null;
  let end = line;
  while (end < text.length - 1) {
    const next = end + 1;
    const nextEnd = lineEnd(text, next);
    const isBlank = text.slice(next, nextEnd).trim() === '';
    if (!isBlank && indentationAt(text, next) <= indentation) break;
    if (nextEnd - line > longest) return null;
    end = nextEnd;
  }
  return end === line ? null : within(line, end);
}

const lineEnd = (text: string, from: number): number => {
  const end = text.indexOf('\n', from);
  return end === -1 ? text.length : end;
};

const indentationAt = (text: string, begin: number): number =>
  /^[ \t]*/.exec(text.slice(begin, begin + 200))![0].length;

const within = (start: number, end: number): Gap | null =>
  end > start && end - start <= longest ? { start, end } : null;
