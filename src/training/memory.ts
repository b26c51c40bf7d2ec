import type { ModelConfig } from '../model/config.ts';

/** What the rows of one pass may take, bytes: little enough for a laptop, enough that larger passes are no faster. */
const budget = 2 * 2 ** 30;

/** Tokens of a row, and places of it that are predicted. */
export interface RowSize {
  readonly length: number;
  readonly answer: number;
}

/**
 * Bytes of activations that a forward and backward pass keeps of one row, as they add up: in each layer the attention
 * weights of every head with what leads to them and back, and the states around them; at the head, the logits.
 */
export function activationBytes(config: ModelConfig, { length, answer }: RowSize): number {
  const { num_hidden_layers: layers, num_attention_heads: heads, hidden_size: d, intermediate_size: f } = config;
  const layer = 3 * heads * length ** 2 + length * (12 * d + 4 * f);
  return 4 * (layers * layer + 4 * answer * config.vocab_size);
}

/** Rows of a pass whose activations stay within two gibibytes; at least one. */
export const rowsThatFit = (config: ModelConfig, row: RowSize): number =>
  Math.max(1, Math.floor(budget / activationBytes(config, row)));
