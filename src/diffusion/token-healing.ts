import { piecesOf } from '../model/byte-pair-training.ts';
import type { Tokenizer } from '../model/tokenizer.ts';

/**
 * The end of a prefix that the canvas repeats, so that its word can be tokenized anew (token healing, as in the Guidance
 * library). A cursor may be within a word, but the tokens of a text end where words do: "Defi" before a cursor is made of other
 * tokens than the "Definition" that a model knows. The canvas's first tokens must spell the result. Empty if the prefix ends
 * with no word, or if no token reaches past the end of the prefix.
 */
export function healedPrefix(tokenizer: Tokenizer, prefix: string): string {
  const lineBreak = Math.max(0, prefix.lastIndexOf('\n'));
  const line = prefix.slice(Math.max(lineBreak, prefix.length - longestLine));
  if (line.trim() === '') return '';
  const piece = piecesOf(line).at(-1) as string;
  // Of a piece of many tokens only the last ones are taken back. A token of ASCII holds whole characters.
  const healed = tokenizer.decode(tokenizer.encode(piece).slice(-tokensTakenBack));
  if (!/^[\x20-\x7e]+$/.test(healed) || !piece.endsWith(healed)) return '';
  return reachesPast(tokenizer, healed) ? healed : '';
}

const longestLine = 400;
const tokensTakenBack = 3;

const reachesPast = (tokenizer: Tokenizer, text: string): boolean =>
  tokenizer.texts.some((token) => {
    for (let from = 0; from < text.length; from++)
      if (token.length > text.length - from && token.startsWith(text.slice(from))) return true;
    return false;
  });

/** Logits of the tokens that spell `prefix`, or its beginning; minus infinity for all others. */
export function constrainToPrefix(
  logits: Float32Array,
  prefix: string,
  tokenizer: Pick<Tokenizer, 'texts'>,
): Float32Array {
  const { texts } = tokenizer;
  return logits.map((logit, id) => (spells(texts[id] ?? '', prefix) ? logit : Number.NEGATIVE_INFINITY));
}

/** Whether a token's text begins with `prefix`, or is the beginning of it. */
export const spells = (text: string, prefix: string): boolean =>
  text !== '' && (text.startsWith(prefix) || prefix.startsWith(text));

/**
 * The positions of a completion that spell its healed prefix, from the left, each with what is added to the logits there
 * [vocabulary]: 0 for the tokens that decoding allowed, `notAllowed` for all others.
 */
export function prefixConstraints(
  tokens: ArrayLike<number>,
  healed: string,
  tokenizer: Pick<Tokenizer, 'texts'>,
  vocabulary: number,
): ReadonlyMap<number, Float32Array> {
  const constraints = new Map<number, Float32Array>();
  for (let position = 0, unspelled = healed; unspelled !== '' && position < tokens.length; position++) {
    constraints.set(position, biasOf(unspelled, tokenizer, vocabulary));
    unspelled = unspelled.slice((tokenizer.texts[tokens[position] as number] as string).length);
  }
  return constraints;
}

/** A logit that no sum makes likely, and that stays finite when it is multiplied. */
const notAllowed = -1e9;

const biases = new WeakMap<Pick<Tokenizer, 'texts'>, Map<string, Float32Array>>();

/** Equal prefixes share their bias, which a batch then holds once. */
function biasOf(unspelled: string, tokenizer: Pick<Tokenizer, 'texts'>, vocabulary: number): Float32Array {
  const known = biases.get(tokenizer) ?? new Map<string, Float32Array>();
  biases.set(tokenizer, known);
  const key = `${vocabulary} ${unspelled}`;
  let bias = known.get(key);
  if (!bias) {
    bias = Float32Array.from({ length: vocabulary }, (_, id) =>
      spells(tokenizer.texts[id] ?? '', unspelled) ? 0 : notAllowed,
    );
    // Prefixes are short words, so few differ; a long run meets more than are worth keeping.
    if (known.size >= 1000) known.clear();
    known.set(key, bias);
  }
  return bias;
}
