import type { Architecture } from './architecture.ts';
import { llama } from './autoregressive.ts';
import { a2dQwen3 } from './qwen.ts';

/** Blocks of 4, unless the configuration names another size. Each output predicts the token at its own position. */
const blocksOf4 = { logit_shift: false, attention: 'block-causal', block_size: 4 } as const;

/** SDAR (arXiv 2510.06303) and TraDo (arXiv 2509.06949): Qwen3's tensors. */
export const sdar: Architecture = {
  types: ['sdar'],
  make: (config) => ({ ...a2dQwen3.make(config), ...blocksOf4 }),
  stored: a2dQwen3.stored,
};

/** Stable-DiffCoder (arXiv 2601.15892): Llama's tensors. It keeps the name llama, and only its class distinguishes it. */
export const stableDiffCoder: Architecture = {
  types: [],
  classes: ['StableDiffcoderForCausalLM'],
  make: (config) => ({ ...llama.make(config), ...blocksOf4 }),
  stored: llama.stored,
};
