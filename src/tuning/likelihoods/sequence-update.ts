import type { HostTensor } from '../../graph/tensor.ts';
import type { Batch, Loss } from '../../training/trainer.ts';
import { microBatches } from './micro-batches.ts';
import { type ScoredSequence, sequenceBatch } from './scored-sequences.ts';

/** A sequence and its inputs to a loss: for each input one number, or one per token of its completion. */
export interface SequenceEntry {
  readonly sequence: ScoredSequence;
  readonly values: Readonly<Record<string, number | Float32Array>>;
}

export interface SequenceUpdateOptions {
  /** Sequences per batch. */
  readonly size: number;
  readonly pad: number;
  readonly loss: Loss;
  /** Inputs shared by all sequences. */
  readonly shared?: Readonly<Record<string, HostTensor>>;
  readonly batchOf?: (sequences: readonly ScoredSequence[], pad: number) => Batch;
}

/** The batches of an update. The last one is padded with `idle` sequences. */
export function sequenceBatches(
  entries: readonly SequenceEntry[],
  { size, pad, loss, shared = {}, batchOf = sequenceBatch }: SequenceUpdateOptions,
): Batch[] {
  return microBatches(entries, Math.min(size, entries.length), idle).map(({ full }) => {
    const batch = batchOf(
      full.map(({ sequence }) => sequence),
      pad,
    );
    const answer = batch.extra.coefficients!.shape[2] as number;
    const inputs = Object.keys(full[0]!.values).map((name) => [name, inputTensor(full, name, answer)] as const);
    return { ...batch, extra: { ...batch.extra, ...shared, ...Object.fromEntries(inputs) }, loss };
  });
}

/** The values of one input of all entries, as a tensor. */
function inputTensor(entries: readonly SequenceEntry[], name: string, answer: number): HostTensor {
  const values = entries.map((entry) => entry.values[name] as number | Float32Array);
  if (typeof values[0] === 'number')
    return { shape: [values.length], data: Float32Array.from(values as readonly number[]) };
  const data = new Float32Array(values.length * answer);
  (values as readonly Float32Array[]).forEach((value, row) => void data.set(value.subarray(0, answer), row * answer));
  return { shape: [values.length, answer], data };
}

/**
 * A sequence for padding, whose weights and values are all 0. Its score is therefore 0 like the scores that it is compared with.
 * With other values, the exponential of their difference could overflow.
 */
function idle({ sequence, values }: SequenceEntry): SequenceEntry {
  const zeros = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === 'number' ? 0 : new Float32Array(value.length),
  ]);
  return {
    sequence: sequence.map((view) => ({ ...view, weights: new Float32Array(view.weights.length) })),
    values: Object.fromEntries(zeros),
  };
}

export const scalarInput = (value: number): HostTensor => ({ shape: [], data: Float32Array.of(value) });
