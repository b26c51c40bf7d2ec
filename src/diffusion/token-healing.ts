import { piecesOf } from '../model/byte-pair-training.ts';
import type { Tokenizer } from '../model/tokenizer.ts';

/**
 * Who types stops anywhere, but a text's tokens end where its words do: "Defi" before a cursor is other tokens than the
 * "Definition" that a model knows. So the word under way is taken back into the canvas, and the canvas's first tokens
 * must spell it out (token healing, as in the Guidance library). The text that is begun; empty where nothing is, or no
 * token reaches past the end of the prefix.
 */
export function healedPrefix(tokenizer: Tokenizer, prefix: string): string {
  const lineBreak = Math.max(0, prefix.lastIndexOf('\n'));
  const line = prefix.slice(Math.max(lineBreak, prefix.length - longestLine));
  if (line.trim() === '') return '';
  const piece = piecesOf(line).at(-1) as string;
  // A piece of many tokens is taken back as far as its last ones alone; a token holds whole characters of ASCII.
  const begun = tokenizer.decode(tokenizer.encode(piece).slice(-tokensTakenBack));
  if (!/^[\x20-\x7e]+$/.test(begun) || !piece.endsWith(begun)) return '';
  return reachesPast(tokenizer, begun) ? begun : '';
}

const longestLine = 400;
const tokensTakenBack = 3;

const reachesPast = (tokenizer: Tokenizer, text: string): boolean =>
  tokenizer.texts.some((token) => {
    for (let from = 0; from < text.length; from++)
      if (token.length > text.length - from && token.startsWith(text.slice(from))) return true;
    return false;
  });

/** Logits of the tokens that spell out `begun`, or its beginning; minus infinity for all others. */
export function constrainToPrefix(logits: Float32Array, begun: string, tokenizer: Tokenizer): Float32Array {
  const { texts } = tokenizer;
  return logits.map((logit, id) => {
    return spells(texts[id] ?? '', begun) ? logit : Number.NEGATIVE_INFINITY;
  });
}

/** Whether a token's text spells out what is begun, or its beginning. */
export const spells = (text: string, begun: string): boolean =>
  text !== '' && (text.startsWith(begun) || begun.startsWith(text));
