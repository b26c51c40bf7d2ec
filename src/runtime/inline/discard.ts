import type { StoppingRules } from '../../diffusion/infill-result.ts';
import { repeatsKey } from './repeated-keys.ts';
import { lineAfter, lineBefore, type TextAtCursor } from './text-at-cursor.ts';
import { leavesBlock } from './trim.ts';

/** A trimmed completion with the model's confidence. */
export interface Candidate {
  readonly text: string;
  /** The text before the overlap with the text after the cursor was removed from its end. */
  readonly untrimmed: string;
  readonly confidence: number;
}

/** Completions with a lower mean probability of their tokens are rejected. */
const leastConfidence = 0.35;

type Rule = (candidate: Candidate, at: TextAtCursor) => boolean;

/** Rules that reject a completion, by the reason to show; they are applied in this order. */
const rules: Readonly<Record<string, Rule>> = {
  'repeats the text after the cursor': ({ text, untrimmed }) => text.trim() === '' && untrimmed.trim() !== '',
  empty: ({ text }) => text.trim() === '',
  'repeats the next lines': ({ text }, at) => repeatsNextLines(text, at),
  'repeats the text before the cursor': ({ text }, { prefix }) => {
    const line = text.trim();
    return line.length >= 8 && prefix.trimEnd().endsWith(line);
  },
  'repeats itself': ({ text }, at) => isDegenerate(text) || repeatsWord(text, at),
  'repeats a key': ({ text }, at) => repeatsKey(text, at),
  // A character of several tokens of which one is missing decodes to U+FFFD.
  'has an incomplete character': ({ text }) => text.includes('\uFFFD'),
  'low confidence': ({ confidence }) => confidence < leastConfidence,
};

/** The first rule that rejects a completion; null: it can be shown. */
export function discardedBy(candidate: Candidate, at: TextAtCursor): string | null {
  return Object.entries(rules).find(([, breaks]) => breaks(candidate, at))?.[0] ?? null;
}

/** "All 3 candidates were rejected: low confidence (2), duplicate (1)." */
export function rejectionSummary(candidates: readonly { readonly discardedBy: string | null }[]): string {
  const reasons = candidates.flatMap(({ discardedBy: reason }) => reason ?? []);
  const counted = [...new Set(reasons)].map((reason) => {
    const times = reasons.filter((other) => other === reason).length;
    return reasons.length === 1 ? reason : `${reason} (${times})`;
  });
  const subject =
    reasons.length === 1
      ? 'The only candidate was'
      : `${reasons.length === 2 ? 'Both' : `All ${reasons.length}`} candidates were`;
  return `${subject} rejected: ${counted.join(', ')}.`;
}

/** Whether the lines of the completion are the same as those after the cursor's line. */
function repeatsNextLines(text: string, at: TextAtCursor): boolean {
  const restOfLine = lineAfter(at);
  const next = at.suffix.slice(restOfLine.length).split('\n').map(trimmed).filter(isDistinctive);
  const own = text.split('\n').map(trimmed).filter(isDistinctive);
  return own.length > 0 && own.length <= next.length && own.every((line, index) => line === next[index]);
}

const trimmed = (line: string): string => line.trim();
const isDistinctive = (line: string): boolean => line.length > 2;

/**
 * Rules that stop decoding early: text after the end of the cursor's block would be cut off, and text that repeats itself
 * or has a low confidence would be rejected.
 */
export const stoppingRules = (at: TextAtCursor): StoppingRules => ({
  isOver: (text) => leavesBlock(text, at) || isDegenerate(text),
  leastConfidence,
});

/** Whether a line occurs three times in a row, or a short text at least five times. */
function isDegenerate(text: string): boolean {
  const lines = text.split('\n').map(trimmed).filter(isDistinctive);
  if (lines.some((line, index) => line === lines[index + 1] && line === lines[index + 2])) return true;
  return /(\S.{0,11}?)\1{4,}/.test(text) && !/^[\s\-=*_/#.~]+$/.test(text);
}

/** Whether a name or path says the same word three times in a row: `user_user_user`, `userUserUser`, `docs/docs/docs`. */
function repeatsWord(text: string, at: TextAtCursor): boolean {
  const typedWord = /[\w$./-]*$/.exec(lineBefore(at))![0];
  const line = typedWord + text;
  const separated = /(?<![A-Za-z])([A-Za-z]{2,})(?:[_./-]\1){2,}(?![A-Za-z])/i.exec(line);
  const joined = /([A-Za-z]{3,})\1{2,}/i.exec(line);
  // Letters of one kind, as in `ffffffffff`, are a number or a rule.
  const isWord = joined !== null && new Set(joined[1]!.toLowerCase()).size > 1;
  return [separated, isWord ? joined : null].some((found) => found && found.index + found[0].length > typedWord.length);
}
