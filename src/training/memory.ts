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

/**
 * Memory for the rows of one pass, in bytes: small enough for a laptop, and large enough that larger passes are no
 * faster.
 */
const budget = 2 * 2 ** 30;

/** Tokens of a row, and the number of its target positions. */
export interface RowSize {
  readonly length: number;
  readonly answer: number;
}

/**
 * Estimated bytes of activations that a forward and backward pass keeps per row. In each layer: the attention weights
 * of every head with the values around them, the hidden states, and the inner states of the feed-forward network,
 * which count more in a mixture of experts. At the head: the logits.
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

/** The number of rows whose activations fit into `budget`; at least one. */
export const rowsThatFit = (config: ModelConfig, row: RowSize): number =>
  Math.max(1, Math.floor(budget / activationBytes(config, row)));

/**
 * Memory that the programs of a run hold, as measured, in multiples of a pass. Freed memory is not reused at once,
 * and each shape of rollouts and updates has its own program. Programs keep their memory between runs up to about
 * `max` bytes in total. With these values, the estimate is within a fifth of the largest resident memory of `unmask tune` on
 * `sudoku4x4` (0.9 GiB) and `workspace` (5.1 GiB), and of `unmask start --task programs` (4.0 GiB), as measured.
 */
const programMemory = { factor: 5, max: 4 * 2 ** 30 } as const;

/** Memory of the runtime itself, in bytes. */
const runtimeMemory = 0.25 * 2 ** 30;

/** The same for a run whose training has a single program: 1.4 GiB in all for the bundled code model and 16 texts of 256 tokens. */
const oneProgram = 1;

/** What is trained, and the size of a pass. */
export interface TrainingPlan {
  /** An adapter on a frozen base; absent: all weights are trained. */
  readonly adapter?: LoraShape | undefined;
  readonly precision: Precision;
  readonly row: RowSize;
  /** Requested rows per pass; `rowsThatFit` may allow fewer. */
  readonly rows: number;
  /** Whether all training steps have the same shape, so that there is one program. Default: there are several. */
  readonly fixedShape?: boolean;
}

/**
 * Bytes per trained number: its value, the sum of its gradients and two moments, each twice, because a run reads one
 * copy and writes the other.
 */
const bytesPerTrained = 4 * 2 * 4;
/** Bytes per trained number for intermediate results of an update. */
const bytesPerUpdated = 16;

/** Memory of a run at its peak, in bytes. */
export interface MemoryNeed {
  /** The minimum. */
  readonly least: number;
  readonly about: number;
}

/**
 * The memory of a run: the stored frozen weights, the trained weights with their training state, and the larger of a
 * training pass and a rollout pass. Weights are read one at a time, so loading needs no more. Not included: a second
 * policy that a method keeps.
 */
export function memoryNeed(
  config: ModelConfig,
  { adapter, precision, row, rows, fixedShape = false }: TrainingPlan,
): MemoryNeed {
  const trained = numbersOf(trainedShapes(config, adapter));
  const frozen = adapter ? frozenBytes(config, precision) : 0;
  const oneRow = activationBytes(config, row);
  // Logits exist three times: in the engine, as a copy on the host, and split into rows.
  const rollout = 3 * 4 * logitsPerPass(config) * config.vocab_size;
  const pass = Math.max(Math.min(rows, rowsThatFit(config, row)) * oneRow, rollout);
  return {
    least: frozen + trained * bytesPerTrained + oneRow,
    about:
      runtimeMemory +
      frozen +
      trained * (bytesPerTrained + bytesPerUpdated) +
      Math.max(pass, Math.min((fixedShape ? oneProgram : programMemory.factor) * pass, programMemory.max)),
  };
}

/** Bytes of frozen weights. A quantised matrix is dequantised while it is used in a product. */
function frozenBytes(config: ModelConfig, precision: Precision): number {
  const [shapes, quantized] = [weightShapes(config), quantizedWeights(config, precision)];
  const dequantized = [...quantized.keys()].map((name) => 5 * sizeOf(shapes.get(name) as Shape));
  return keptBytes(shapes, quantized) + Math.max(0, ...dequantized);
}

const numbersOf = (shapes: ReadonlyMap<string, Shape>): number =>
  [...shapes.values()].reduce((sum, shape) => sum + sizeOf(shape), 0);

/**
 * Describes the memory that a run needs and its device has (null: unknown). Throws a `UserError` if the device has
 * too little.
 */
export function assertFits({ least, about }: MemoryNeed, memory: MachineMemory | null, owner = 'this machine'): string {
  if (!memory) return `The run needs about ${memorySize(about)} of memory; it is not known how much ${owner} has.`;
  const { total, free } = memory;
  if (least > total)
    throw new UserError(
      `The run needs at least ${memorySize(least)} of memory; ${owner} has ${memorySize(total)}. Train an adapter (adapter=lora) on a quantised base (base_precision=int8 or int4), lower its rank (lora_r), or choose a smaller model.`,
    );
  const warning = about > free ? ` (${memorySize(free)} free, so the run may be slow, or the system may end it)` : '';
  return `The run needs about ${memorySize(about)} of memory; ${owner} has ${memorySize(total)}${warning}.`;
}
