import type { Frame } from '../src/protocol/sample.ts';

/** Replaces white space with visible characters. */
export const visibleText = (text: string): string =>
  text.replaceAll(' ', '\u2423').replaceAll('\n', '\u21b5').replaceAll('\t', '\u21e5');

/** The name of a token in a sentence; positions after the end have no text. */
export const tokenName = (token: string | null): string =>
  token === null ? 'masked' : token === '' ? 'the end' : `“${visibleText(token)}”`;

/** When a token was revealed, and its confidence; null if it is masked. */
export function describeReveal({ tokens, revealedAt, confidence }: Frame, position: number): string | null {
  if ((tokens[position] ?? null) === null) return null;
  const sure = confidence[position] ?? null;
  return `revealed at step ${(revealedAt[position] ?? 0) + 1}${sure === null ? '' : `, confidence ${sure.toFixed(2)}`}`;
}

/** Describes a position: its token and when it was revealed. */
export function describeToken(frame: Frame, position: number): string {
  const [token, how] = [frame.tokens[position], describeReveal(frame, position)];
  if (how === null) return 'masked';
  return token === '' ? `empty, after the end: ${how}` : `${visibleText(token ?? '')}: ${how}`;
}

/** The canvas before the first step. */
export const allMasked = (frame: Frame): Frame => ({
  step: -1,
  tokens: frame.tokens.map(() => null),
  revealedAt: frame.tokens.map(() => null),
  confidence: frame.tokens.map(() => null),
});

/** The positions that a step revealed or changed. */
export function revealedBy(frames: readonly Frame[], index: number): number[] {
  const frame = frames[index] as Frame;
  const before = index > 0 ? (frames[index - 1] as Frame) : allMasked(frame);
  return frame.tokens.flatMap((token, at) =>
    token !== before.tokens[at] || frame.revealedAt[at] !== before.revealedAt[at] ? [at] : [],
  );
}
