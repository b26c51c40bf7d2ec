/** A row of token ids and the positions whose logits are computed. */
export interface Query {
  readonly tokens: Int32Array;
  readonly positions: readonly number[];
  /** Where the canvas begins, after the prompt; only models with `prefix-lm` attention need it. */
  readonly canvas?: number;
  /** Tokens of the suffix, after the canvas; default: none. */
  readonly suffix?: number;
}

/** The tokens of a whole sequence: prompt, canvas and suffix. */
export function joinTokens(
  prompt: ArrayLike<number>,
  canvas: ArrayLike<number>,
  suffix: ArrayLike<number>,
): Int32Array {
  const tokens = new Int32Array(prompt.length + canvas.length + suffix.length);
  tokens.set(prompt);
  tokens.set(canvas, prompt.length);
  tokens.set(suffix, prompt.length + canvas.length);
  return tokens;
}
