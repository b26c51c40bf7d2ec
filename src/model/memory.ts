import { quantizedBytes } from '../engine/quantization.ts';
import { type Shape, sizeOf, type WeightFormat } from '../graph/tensor.ts';
import { memorySize } from '../platform/amounts.ts';
import { UserError } from '../platform/errors.ts';
import { machineMemory } from '../platform/machine-memory.ts';
import { isMixture, type ModelConfig } from './config.ts';
import { feedForwardWidth } from './feed-forward.ts';
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
 * Bytes that a model needs, about: its weights and the activations of a pass. Of a pass of 1024 tokens (or as many as it has
 * positions) the largest that live at once count: what goes through a layer (eight times the width), the middle of its
 * feed-forward (twice, or three times where experts are weighed), its attention's scores and weights, and the logits of
 * three alternatives' canvases, of 64 tokens each, beside their probabilities. Where the configuration is unknown, the
 * weights alone.
 */
export function memoryNeeded(parameters: number, config: ModelConfig | null): number {
  if (!config) return parameters * bytesOfNumber;
  const tokens = Math.min(passTokens, config.max_position_embeddings);
  const wide = Array.from(
    { length: config.num_hidden_layers },
    (_, layer) => (isMixture(config, layer) ? 3 : 2) * feedForwardWidth(config, layer),
  );
  const layer = tokens * (8 * config.hidden_size + Math.max(...wide));
  const attention = 2 * config.num_attention_heads * tokens ** 2;
  const logits = 2 * Math.min(wantedPlaces, tokens) * config.vocab_size;
  return (parameters + layer + attention + logits) * bytesOfNumber;
}

/** Bytes of weights as they are kept: quantized where a format is named for them, else as f32. */
export function keptBytes(shapes: ReadonlyMap<string, Shape>, quantized?: ReadonlyMap<string, WeightFormat>): number {
  let bytes = 0;
  for (const [name, shape] of shapes) {
    const format = quantized?.get(name);
    bytes += format ? quantizedBytes(shape, format) : bytesOfNumber * sizeOf(shape);
  }
  return bytes;
}

/** Throws a `UserError` where this machine has less: a system that runs out of memory ends the process without a word. */
export function assertMemory(needed: number): void {
  const { total } = machineMemory();
  if (needed > total)
    throw new UserError(
      `The model and what goes with it need ${memorySize(needed)}, and this machine has ${memorySize(total)}; take a smaller one.`,
    );
}
