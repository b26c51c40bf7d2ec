/** A row of token ids, and the places whose logits are wanted. */
export interface Query {
  readonly tokens: Int32Array;
  readonly places: readonly number[];
  /** Where the canvas begins, behind given text; models with `prefix-lm` attention ask for it. */
  readonly canvas?: number;
  /** Tokens behind the canvas that are given; absent: none. */
  readonly suffix?: number;
}
