import { sizeOf } from '../graph/tensor.ts';
import type { ModelConfig } from './config.ts';
import { weightShapes } from './transformer.ts';

/** Bytes of a number: every engine computes in f32, whatever a checkpoint is stored in. */
const bytesOfNumber = 4;
/** Tokens of a pass that activations are estimated for, and places of it whose logits are wanted. */
const passTokens = 1024;
const wantedPlaces = 192;

/** Numbers in a model's weights. */
export const parametersOf = (config: ModelConfig): number =>
  [...weightShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);

/**
 * Bytes that a model needs, about: its weights and the activations of a pass. Of a pass of 1024 tokens (or as many as it has positions) the largest that live at once count: what goes
 * through a layer (eight times the width), its feed-forward (twice), its attention's scores and weights, and the logits of
 * three alternatives' canvases, of 64 tokens each, beside their probabilities. Where the configuration is unknown, the
 * weights alone.
 */
export function memoryNeeded(parameters: number, config: ModelConfig | null): number {
  if (!config) return parameters * bytesOfNumber;
  const tokens = Math.min(passTokens, config.max_position_embeddings);
  const layer = tokens * (8 * config.hidden_size + 2 * config.intermediate_size);
  const attention = 2 * config.num_attention_heads * tokens ** 2;
  const logits = 2 * Math.min(wantedPlaces, tokens) * config.vocab_size;
  return (parameters + layer + attention + logits) * bytesOfNumber;
}
