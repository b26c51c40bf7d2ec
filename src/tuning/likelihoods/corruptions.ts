import type { Random } from '../../platform/random.ts';

/**
 * Corrupts a text by typical mistakes: two tokens are swapped, a token is duplicated, a token is replaced
 * by another token of the text, or a digit is off by one. `nextDigit` returns the token of the next
 * higher or lower digit; null if the token is not a digit. At least one position differs unless all tokens are equal.
 */
export function corrupt(
  text: Int32Array,
  random: Random,
  nextDigit: (token: number, step: 1 | -1) => number | null,
): Int32Array {
  const damaged = text.slice();
  const mistakes = 1 + random.integer(Math.max(1, Math.ceil(text.length / 4)));
  for (let mistake = 0; mistake < mistakes; mistake++) {
    const position = random.integer(text.length);
    const other = random.integer(text.length);
    const kind = random.integer(4);
    if (kind === 0) {
      [damaged[position], damaged[other]] = [damaged[other] as number, damaged[position] as number];
    } else if (kind === 1 && position + 1 < text.length) {
      damaged.copyWithin(position + 1, position, text.length - 1);
    } else if (kind === 2) {
      damaged[position] = text[other] as number;
    } else {
      damaged[position] =
        nextDigit(text[position] as number, random.integer(2) === 0 ? 1 : -1) ?? (text[other] as number);
    }
  }
  return damaged;
}
