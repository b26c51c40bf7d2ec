import { type Shape, sizeOf } from '../graph/tensor.ts';
import { isMixture, type ModelConfig } from '../model/config.ts';
import { feedForwardWidth } from '../model/feed-forward.ts';
import { logitsPerPass } from '../model/language-model.ts';
import { type LoraShape, trainedShapes } from '../model/lora.ts';
import { keptBytes } from '../model/memory.ts';
import { type Precision, quantizedWeights } from '../model/precision.ts';
import { weightShapes } from '../model/transformer.ts';
import { memorySize } from '../platform/amounts.ts';
import { UserError } from '../platform/errors.ts';
import type { MachineMemory } from '../platform/machine-memory.ts';

/** What the rows of one pass may take, bytes: little enough for a laptop, enough that larger passes are no faster. */
const budget = 2 * 2 ** 30;

/** Tokens of a row, and places of it that are predicted. */
export interface RowSize {
  readonly length: number;
  readonly answer: number;
}

/**
 * Bytes of activations that a forward and backward pass keeps of one row, as they add up: in each layer the attention
 * weights of every head with what leads to them and back, the states around them, and the middle of its feed-forward; that
 * of a mixture is wide beside all else, and weighed besides. At the head, the logits.
 */
export function activationBytes(config: ModelConfig, { length, answer }: RowSize): number {
  const { num_hidden_layers: layers, num_attention_heads: heads, hidden_size: d } = config;
  let numbers = 4 * answer * config.vocab_size;
  for (let layer = 0; layer < layers; layer++) {
    const f = feedForwardWidth(config, layer);
    numbers += 3 * heads * length ** 2 + length * (12 * d + (isMixture(config, layer) ? 6 : 4) * f);
  }
  return 4 * numbers;
}

/** Rows of a pass whose activations stay within two gibibytes; at least one. */
export const rowsThatFit = (config: ModelConfig, row: RowSize): number =>
  Math.max(1, Math.floor(budget / activationBytes(config, row)));

/**
 * What the programs of a run hold, as measured, in passes that add up: memory that is free again is not at once used again,
 * and each shape of rollouts and updates has a program. They keep theirs from run to run until all of it is about this much.
 */
const slack = { factor: 4, most: 2.75 * 2 ** 30 } as const;

/** What is trained, and on how much at a time. */
export interface TrainingPlan {
  /** An adapter beside a frozen base; absent: all weights are trained. */
  readonly adapter?: LoraShape | undefined;
  readonly precision: Precision;
  readonly row: RowSize;
  /** Rows of a pass that are wished for; `rowsThatFit` may allow fewer. */
  readonly rows: number;
}

/** Of each number that is trained: itself, its gradients' sum and two moments, each twice, for a run reads one and writes the other. */
const bytesKept = 4 * 2 * 4;
/** And what an update of it computes in between. */
const bytesOfUpdate = 16;

/** Bytes that a run takes at its peak. */
export interface MemoryNeed {
  /** What it cannot do without. */
  readonly least: number;
  readonly about: number;
}

/**
 * What a run takes: frozen weights as they are kept, what is trained with all that belongs to it, and the larger of what a
 * pass of training and one of rollouts keeps. Weights are read one at a time, so reading them takes no more. A policy that
 * a method keeps besides, and what the runtime takes of its own (some 0.2 GiB), are left out.
 */
export function memoryNeed(config: ModelConfig, { adapter, precision, row, rows }: TrainingPlan): MemoryNeed {
  const trained = numbersOf(trainedShapes(config, adapter));
  const frozen = adapter ? frozenBytes(config, precision) : 0;
  const oneRow = activationBytes(config, row);
  // Logits are computed, leave the engine as a copy, and are cut into the rows' own.
  const rollout = 3 * 4 * logitsPerPass(config) * config.vocab_size;
  const pass = Math.max(Math.min(rows, rowsThatFit(config, row)) * oneRow, rollout);
  return {
    least: frozen + trained * bytesKept + oneRow,
    about: frozen + trained * (bytesKept + bytesOfUpdate) + Math.max(pass, Math.min(slack.factor * pass, slack.most)),
  };
}

/** Bytes of weights that stay as they are; a matrix in blocks is spread out while it is multiplied with. */
function frozenBytes(config: ModelConfig, precision: Precision): number {
  const [shapes, quantized] = [weightShapes(config), quantizedWeights(config, precision)];
  const spread = [...quantized.keys()].map((name) => 5 * sizeOf(shapes.get(name) as Shape));
  return keptBytes(shapes, quantized) + Math.max(0, ...spread);
}

const numbersOf = (shapes: ReadonlyMap<string, Shape>): number =>
  [...shapes.values()].reduce((sum, shape) => sum + sizeOf(shape), 0);

/**
 * One sentence about what a run needs and its device has; null: the device does not tell. Throws a `UserError` where all of
 * the device's memory is too little.
 */
export function assertFits({ least, about }: MemoryNeed, memory: MachineMemory | null, owner = 'this machine'): string {
  if (!memory) return `The run needs about ${memorySize(about)} of memory; how much ${owner} has is not known.`;
  const { total, free } = memory;
  if (least > total)
    throw new UserError(
      `The run needs at least ${memorySize(least)} of memory, and ${owner} has ${memorySize(total)}; train an adapter (adapter=lora) over a base of lower precision (base_precision=int8 or int4), of a lower rank (lora_r), or a smaller model.`,
    );
  const warning = about > free ? `; ${memorySize(free)} are free, so it may be slow or be ended by the system` : '';
  return `The run needs about ${memorySize(about)} of memory, and ${owner} has ${memorySize(total)}${warning}.`;
}
