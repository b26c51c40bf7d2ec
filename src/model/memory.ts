import { quantizedBytes } from '../engine/quantization.ts';
import { type Shape, sizeOf, type WeightFormat } from '../graph/tensor.ts';
import { memorySize } from '../platform/amounts.ts';
import { UserError } from '../platform/errors.ts';
import { machineMemory } from '../platform/machine-memory.ts';
import { isMixture, type ModelConfig } from './config.ts';
import { feedForwardWidth } from './feed-forward.ts';
import { weightShapes } from './transformer.ts';

/** Bytes per number. Every engine computes in f32, also if a checkpoint is stored in another format. */
const bytesOfNumber = 4;
/** Tokens of the forward pass that activations are estimated for, and how many of its positions need logits. */
const passTokens = 1024;
const assumedQueryPositions = 192;

/** The number of parameters of a model. */
export const parametersOf = (config: ModelConfig): number =>
  [...weightShapes(config).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);

/**
 * Estimates the bytes that a model needs: its weights and the activations of a forward pass of 1024 tokens (or of its
 * largest length). The largest activations that exist at once are counted: a layer's states (eight times the width), the
 * inner activations of its feed-forward (twice, or three times with routing weights), attention scores and weights, and
 * logits and probabilities of three canvases of 64 tokens. If the configuration is unknown, only the weights are counted.
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
  const logits = 2 * Math.min(assumedQueryPositions, tokens) * config.vocab_size;
  return (parameters + layer + attention + logits) * bytesOfNumber;
}

/** Bytes of weights in memory: in the format that `quantized` names for them, otherwise f32. */
export function keptBytes(shapes: ReadonlyMap<string, Shape>, quantized?: ReadonlyMap<string, WeightFormat>): number {
  let bytes = 0;
  for (const [name, shape] of shapes) {
    const format = quantized?.get(name);
    bytes += format ? quantizedBytes(shape, format) : bytesOfNumber * sizeOf(shape);
  }
  return bytes;
}

/** Throws a `UserError` if this machine has less memory. Otherwise the system may kill the process without a message. */
export function assertMemory(needed: number): void {
  const { total } = machineMemory();
  if (needed > total)
    throw new UserError(
      `The model needs ${memorySize(needed)} of memory, but this machine has ${memorySize(total)}; choose a smaller model.`,
    );
}
