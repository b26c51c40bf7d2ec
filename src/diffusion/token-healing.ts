import { piecesOf } from '../model/byte-pair-training.ts';
import type { Tokenizer } from '../model/tokenizer.ts';

/**
 * The end of a prefix that the canvas spells again, so that its last word can be tokenized differently (token healing, as in the
 * Guidance library). The cursor may be within a word, but in the training data tokens mostly end where words end: the tokens of
 * "Defi" are not the first tokens of "Definition". The canvas's first tokens must spell the result. Empty if the last line
 * of the prefix is blank, if its end is not ASCII, or if no token could extend beyond it.
 */
export function healedPrefix(tokenizer: Tokenizer, prefix: string): string {
  const lineBreak = Math.max(0, prefix.lastIndexOf('\n'));
  const line = prefix.slice(Math.max(lineBreak, prefix.length - longestLine));
  if (line.trim() === '') return '';
  const piece = piecesOf(line).at(-1) as string;
  // Only the last tokens of a long piece move to the canvas. An ASCII token contains whole characters only.
  const healed = tokenizer.decode(tokenizer.encode(piece).slice(-mostHealedTokens));
  if (!/^[\x20-\x7e]+$/.test(healed) || !piece.endsWith(healed)) return '';
  return someTokenExtends(tokenizer, healed) ? healed : '';
}

/** Characters of the last line that are read. */
const longestLine = 400;
/** Tokens that move to the canvas at most. */
const mostHealedTokens = 3;

/** Whether a token begins within `text` and extends beyond its end. */
const someTokenExtends = (tokenizer: Tokenizer, text: string): boolean =>
  tokenizer.texts.some((token) => {
    for (let from = 0; from < text.length; from++)
      if (token.length > text.length - from && token.startsWith(text.slice(from))) return true;
    return false;
  });

/** Keeps the logits of tokens that spell `prefix` or its beginning; those of all other tokens become minus infinity. */
export function constrainToPrefix(
  logits: Float32Array,
  prefix: string,
  tokenizer: Pick<Tokenizer, 'texts'>,
): Float32Array {
  const { texts } = tokenizer;
  return logits.map((logit, id) => (spells(texts[id] ?? '', prefix) ? logit : Number.NEGATIVE_INFINITY));
}

/** Whether a token's text begins with `prefix`, or `prefix` begins with it. */
export const spells = (text: string, prefix: string): boolean =>
  text !== '' && (text.startsWith(prefix) || prefix.startsWith(text));

/**
 * The positions of a completion that spell its healed prefix, from the left, each with a bias [vocabulary] to add to the logits
 * there: 0 for the tokens that decoding allowed, `notAllowed` for all others.
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

/** So low that a token with this bias has the probability 0, but finite, because infinity times 0 is not a number. */
const notAllowed = -1e9;

const biases = new WeakMap<Pick<Tokenizer, 'texts'>, Map<string, Float32Array>>();

/** The bias of a healed prefix. Equal prefixes share one array, so a batch contains it only once. */
function biasOf(unspelled: string, tokenizer: Pick<Tokenizer, 'texts'>, vocabulary: number): Float32Array {
  const ofTokenizer = biases.get(tokenizer) ?? new Map<string, Float32Array>();
  biases.set(tokenizer, ofTokenizer);
  const key = `${vocabulary} ${unspelled}`;
  let bias = ofTokenizer.get(key);
  if (!bias) {
    bias = Float32Array.from({ length: vocabulary }, (_, id) =>
      spells(tokenizer.texts[id] ?? '', unspelled) ? 0 : notAllowed,
    );
    // Healed prefixes are short, so most repeat; the limit bounds the memory of a long run.
    if (ofTokenizer.size >= 1000) ofTokenizer.clear();
    ofTokenizer.set(key, bias);
  }
  return bias;
}
