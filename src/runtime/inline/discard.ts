import type { StoppingRules } from '../../diffusion/infill-result.ts';
import { lineBehind, type TextAtCursor } from './text-at-cursor.ts';
import { leavesBlock } from './trim.ts';

/** A completion that was trimmed, and what the model thought of it. */
export interface Candidate {
  readonly text: string;
  /** What it was before what follows the cursor was taken off its end. */
  readonly untrimmed: string;
  readonly confidence: number;
}

/** Below this mean probability of its tokens a completion is a guess. */
const leastConfidence = 0.35;

type Rule = (candidate: Candidate, at: TextAtCursor) => boolean;

/** Why a completion is not worth showing; asked in this order. */
const rules: Readonly<Record<string, Rule>> = {
  'repeats what follows': ({ text, untrimmed }) => text.trim() === '' && untrimmed.trim() !== '',
  empty: ({ text }) => text.trim() === '',
  'repeats the next lines': ({ text }, at) => repeatsNextLines(text, at),
  'repeats what stands before': ({ text }, { prefix }) => {
    const line = text.trim();
    return line.length >= 8 && prefix.trimEnd().endsWith(line);
  },
  'goes round in circles': ({ text }) => isDegenerate(text),
  // A character of several tokens of which one is missing; it decodes to U+FFFD.
  'holds half a character': ({ text }) => text.includes('\uFFFD'),
  'too unsure': ({ confidence }) => confidence < leastConfidence,
};

/** The name of the first rule that a completion breaks; null: it is worth showing. */
export function discardedBy(candidate: Candidate, at: TextAtCursor): string | null {
  return Object.entries(rules).find(([, breaks]) => breaks(candidate, at))?.[0] ?? null;
}

/** Whether the lines that follow the cursor's are those of the completion. */
function repeatsNextLines(text: string, at: TextAtCursor): boolean {
  const behind = lineBehind(at);
  const next = at.suffix.slice(behind.length).split('\n').map(trimmed).filter(isDistinctive);
  const own = text.split('\n').map(trimmed).filter(isDistinctive);
  return own.length > 0 && own.length <= next.length && own.every((line, index) => line === next[index]);
}

const trimmed = (line: string): string => line.trim();
const isDistinctive = (line: string): boolean => line.length > 2;

/**
 * Tells the model when to leave off: what is behind the block that the cursor stands in is cut off, and what goes round in
 * circles, or is too unsure, is not shown.
 */
export const stoppingRules = (at: TextAtCursor): StoppingRules => ({
  isOver: (text) => leavesBlock(text, at) || isDegenerate(text),
  leastConfidence,
});

/** A line three times over, or a short piece of text at least five times. */
function isDegenerate(text: string): boolean {
  const lines = text.split('\n').map(trimmed).filter(isDistinctive);
  if (lines.some((line, index) => line === lines[index + 1] && line === lines[index + 2])) return true;
  return /(\S.{0,11}?)\1{4,}/.test(text) && !/^[\s\-=*_/#.~]+$/.test(text);
}
