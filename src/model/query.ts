/** A row of token ids and the positions whose logits are computed. */
export interface Query {
  readonly tokens: Int32Array;
  readonly positions: readonly number[];
  /** Where the canvas begins, after the prompt; only models with `prefix-lm` attention need it. */
  readonly canvas?: number;
  /** Tokens of the suffix, after the canvas; default: none. */
  readonly suffix?: number;
}
