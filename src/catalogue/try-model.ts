import type { Engine } from '../engine/engine.ts';
import type { TensorSource } from '../graph/tensor.ts';
import { openCheckpoint } from '../model/checkpoint.ts';
import { isAutoregressive, type ModelConfig, maskToken } from '../model/config.ts';
import { LanguageModel } from '../model/language-model.ts';
import { memoryNeeded, parametersOf } from '../model/memory.ts';
import { outlierOf, outlierRatio } from '../model/outliers.ts';
import type { Query } from '../model/query.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { weightShapes } from '../model/transformer.ts';
import { Interrupted, messageOf, UserError } from '../platform/errors.ts';
import { machineMemory } from '../platform/machine-memory.ts';
import type { ModelTrial } from '../protocol/models.ts';
import { resolveModel } from './resolve-model.ts';

/** Layers of the forward pass if the memory does not suffice for all. */
const fewLayers = 2;
/** Tokens of the forward pass. */
const passTokens = 16;
/** Names of tensors with outliers that a warning lists. */
const namedTensors = 3;

/** The text that the tokenizer encodes, with what code has: indentation, line breaks, digits, and letters beyond ASCII. */
const probe = 'def area(r):\n    return 3.14 * r ** 2  # Größe\n';

export interface TrialOptions {
  readonly engine: Engine;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
  /** Bytes that the model may use; default: the free memory of this machine. */
  readonly memory?: number;
}

/**
 * Opens a checkpoint folder as it will be used: reads the headers and all weights, which must be finite, encodes and decodes a
 * text, and computes the predictions of all layers for a few tokens, or of the first two if the memory does not suffice. Returns
 * what was tried, and as `problem` the sentence of the first thing that failed.
 */
export async function tryModel(folder: string, options: TrialOptions): Promise<ModelTrial> {
  const tried: ModelTrial = { layers: 0, of: 0, warnings: [], problem: null };
  try {
    return await runTrial(folder, tried, options);
  } catch (error) {
    if (options.signal.aborted) throw new Interrupted(`Trying ${folder} was stopped.`);
    if (!(error instanceof UserError)) throw error;
    return { ...tried, problem: messageOf(error) };
  }
}

async function runTrial(
  folder: string,
  tried: ModelTrial,
  { engine, signal, progress, memory = machineMemory().free }: TrialOptions,
): Promise<ModelTrial> {
  const resolved = await resolveModel(folder);
  const { adapter, ...checkpoint } = await openCheckpoint(resolved);
  const { config, tokenizer } = checkpoint;
  progress('Reading the weights.');
  // The weights of an adapter's base were read when the base was added.
  const warnings = adapter ? [] : await readWeights(checkpoint.weights, signal);
  assertRoundTrip(tokenizer);
  const of = config.num_hidden_layers;
  const layers = memoryNeeded(parametersOf(config), config) <= memory ? of : Math.min(fewLayers, of);
  progress(layers === of ? 'Trying a forward pass.' : `Trying a forward pass through ${layers} of ${of} layers.`);
  const shortened = { ...config, num_hidden_layers: layers };
  await assertPredicts(engine, { ...checkpoint, config: shortened, weights: only(shortened, checkpoint.weights) });
  return { ...tried, layers, of, warnings };
}

/** Reads all weights, one tensor at a time. Reading throws a `UserError` for a value that is not finite. Returns warnings. */
async function readWeights(weights: TensorSource, signal: AbortSignal): Promise<string[]> {
  const outliers: string[] = [];
  for (const name of weights.shapes.keys()) {
    signal.throwIfAborted();
    if (outlierOf(await weights.read(name)) > outlierRatio) outliers.push(name);
  }
  if (outliers.length === 0) return [];
  const listed = outliers.slice(0, namedTensors).join(', ');
  const more = outliers.length > namedTensors ? ` and ${outliers.length - namedTensors} more` : '';
  return [
    `Weights of more than ${outlierRatio.toLocaleString('en-US')} times the root mean square of their tensor were found in ${listed}${more}; the file may be damaged, or training may have diverged.`,
  ];
}

/** Throws a `UserError` unless a text survives encoding and decoding. */
function assertRoundTrip(tokenizer: Tokenizer): void {
  const tokens = tokenizer.encode(probe);
  // A tokenizer of a small alphabet, or one that normalizes, changes the text once and not again.
  const once = tokenizer.decode(tokens);
  const again = tokenizer.decode(tokenizer.encode(once));
  if (tokens.length === 0 || again !== once)
    throw new UserError(
      `The tokenizer does not restore a text that it encoded (${JSON.stringify(once)} became ${JSON.stringify(again)}); get its files again.`,
    );
}

/** Throws a `UserError` if a forward pass of a few tokens gives predictions that are not finite. */
async function assertPredicts(
  engine: Engine,
  checkpoint: Parameters<typeof LanguageModel.loadFrozen>[1],
): Promise<void> {
  const { config, tokenizer } = checkpoint;
  const model = await LanguageModel.loadFrozen(engine, checkpoint, 'f32');
  try {
    const [logits] = await model.logits([queryOf(config, tokenizer)]);
    if (!logits!.every(Number.isFinite))
      throw new UserError('The model predicts values that are not finite; its weights or its configuration are wrong.');
  } finally {
    await model.dispose();
  }
}

/** A few tokens of the probe; the second half of them is masked if the model denoises. */
function queryOf(config: ModelConfig, tokenizer: Tokenizer): Query {
  const length = Math.min(passTokens, config.max_position_embeddings);
  const text = tokenizer.encode(probe);
  const tokens = Int32Array.from({ length }, (_, position) => text[position % text.length]!);
  if (isAutoregressive(config)) return { tokens, positions: [length - 1], canvas: 0 };
  const canvas = Math.floor(length / 2);
  tokens.fill(maskToken(config), canvas);
  return { tokens, positions: [length - 1], canvas };
}

/** The weights of a model with fewer layers. */
function only(config: ModelConfig, weights: TensorSource): TensorSource {
  return { shapes: weightShapes(config), read: (name) => weights.read(name) };
}
