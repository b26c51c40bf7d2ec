import type { HostTensor, Shape, Tensor } from '../graph/tensor.ts';
import { sizeOf } from '../graph/tensor.ts';
import type { Random } from '../platform/random.ts';
import type { AdapterScales } from './adapter-patterns.ts';
import type { ModelConfig } from './config.ts';
import type { Conversion } from './conversion.ts';
import type { Precision } from './precision.ts';
import type { Weights } from './projection.ts';
import { smoothingName } from './smoothing.ts';
import { weightShapes } from './transformer.ts';

/** The projections of a layer that an adapter can change, by PEFT's names. */
export const loraTargets = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'] as const;
export type LoraTarget = (typeof loraTargets)[number];

/** The hyper-parameters of a low-rank adapter (LoRA, arXiv 2106.09685). */
export interface LoraShape {
  /** The rank of the update (r). */
  readonly rank: number;
  /** The update is scaled by alpha / rank. */
  readonly alpha: number;
  readonly targets: readonly LoraTarget[];
  /** Tokens whose rows of the embeddings and of the head are trained in full; absent: none. */
  readonly tokens?: readonly number[] | undefined;
}

/** An adapter without its weights: its shape and its base. */
export interface AdapterConfig extends LoraShape {
  readonly base: AdapterBase;
  /** Rank and scale of each module as stored, if they differ; `rank` and `alpha` are then those with which they are read. */
  readonly scales?: AdapterScales;
  /** Whether the file may lack modules of `targets`, which the adapter does not change: it is written for paths, a pattern or some layers. */
  readonly isPartial?: boolean;
}

export interface Adapter extends AdapterConfig {
  /**
   * Factors by parameter name: the name of the projection, followed by `.lora_A.weight` or `.lora_B.weight`. Trained rows
   * [tokens, hidden_size] by the name of their matrix, followed by PEFT's `.token_adapter.trainable_tokens_delta`; in spite of
   * that name they replace the base's rows.
   */
  readonly weights: ReadonlyMap<string, HostTensor>;
}

/** The model that an adapter was trained on. */
export interface AdapterBase {
  /** A bundled name, an id of an installed model, or a folder. */
  readonly name: string;
  /** Digest of the weights that the adapter was trained on; null: not recorded. */
  readonly digest: string | null;
  /** The precision to which the base's projections were rounded during training. */
  readonly precision: Precision;
  /** Set if the adapter converts an autoregressive base: the fields of the configuration that differ from the base's. */
  readonly conversion?: Conversion | undefined;
}

/**
 * Names and shapes of an adapter's weights: A [rank, in] and B [out, rank] of each projection, and the trained rows [tokens,
 * hidden_size] of the embeddings and of a head that is not tied to them.
 */
export function loraShapes(config: ModelConfig, { rank, targets, tokens = [] }: LoraShape): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const [projection, [outputs, inputs]] of targetShapes(config, targets))
    shapes.set(factorA(projection), [rank, inputs]).set(factorB(projection), [outputs, rank]);
  if (tokens.length > 0)
    for (const matrix of vocabularyMatrices(config)) shapes.set(tokenRows(matrix), [tokens.length, config.hidden_size]);
  return shapes;
}

/** The matrices with a row per token: the embeddings, and the head if it is not tied to them. */
export const vocabularyMatrices = ({ tie_word_embeddings }: Pick<ModelConfig, 'tie_word_embeddings'>): string[] =>
  tie_word_embeddings ? ['model.embed_tokens.weight'] : ['model.embed_tokens.weight', 'lm_head.weight'];

/** The projections that an adapter changes, with the shapes of their matrices [out, in]. */
export function targetShapes(
  config: ModelConfig,
  targets: readonly LoraTarget[],
): Map<string, readonly [number, number]> {
  const shapes = new Map<string, readonly [number, number]>();
  for (const [name, shape] of weightShapes(config)) {
    const [, projection, target] = /^(.*\.(\w+_proj))\.weight$/.exec(name) ?? [];
    if (projection !== undefined && targets.some((one) => one === target))
      shapes.set(projection, shape as readonly [number, number]);
  }
  return shapes;
}

export const factorA = (projection: string): string => `${projection}.lora_A.weight`;
export const factorB = (projection: string): string => `${projection}.lora_B.weight`;
/** The name of the trained rows of a matrix of the vocabulary. */
export const tokenRows = (matrix: string): string =>
  `${matrix.replace(/\.weight$/, '')}.token_adapter.trainable_tokens_delta`;

/**
 * The factors of a new adapter, which change nothing yet. As in PEFT, A is uniform within 1 / sqrt(in) (Kaiming's rule
 * with a = sqrt 5), and B is zero. Trained rows are not among them, because they begin with the base's rows.
 */
export function initialLora(
  config: ModelConfig,
  { rank, alpha, targets }: LoraShape,
  random: Random,
): Map<string, HostTensor> {
  const weights = new Map<string, HostTensor>();
  for (const [name, extents] of loraShapes(config, { rank, alpha, targets })) {
    const data = new Float32Array(sizeOf(extents));
    const bound = 1 / Math.sqrt(extents[1] as number);
    if (name.endsWith('.lora_A.weight'))
      for (let index = 0; index < data.length; index++) data[index] = bound * (2 * random.uniform() - 1);
    weights.set(name, { shape: extents, data });
  }
  return weights;
}

/** Looks up weights among the nodes of a program, including the updates of an adapter and the smoothing of inputs. */
export function lookUp(nodes: ReadonlyMap<string, Tensor>, adapter: LoraShape | undefined): Weights {
  const weight = Object.assign((name: string): Tensor => nodes.get(name) as Tensor, {
    smoothing: (projection: string) => nodes.get(smoothingName(projection)),
  });
  if (!adapter) return weight;
  return Object.assign(weight, {
    lora(projection: string) {
      const [a, b] = [nodes.get(factorA(projection)), nodes.get(factorB(projection))];
      return a && b ? { a, b, scale: adapter.alpha / adapter.rank } : undefined;
    },
    tokens(matrix: string) {
      const rows = nodes.get(tokenRows(matrix));
      return rows && adapter.tokens ? { ids: adapter.tokens, rows } : undefined;
    },
  });
}

/** The largest useful rank for these projections: the smallest dimension of their matrices. */
export function largestRank(config: ModelConfig, targets: readonly LoraTarget[]): number {
  return Math.min(...[...targetShapes(config, targets).values()].flat());
}

/** Checks names of projections and returns them in the order of a layer. Throws `refusal(reason)` if one is invalid. */
export function parseTargets(names: readonly string[], refusal: (why: string) => Error): LoraTarget[] {
  const foreign = names.find((name) => !loraTargets.some((target) => target === name));
  const known = `the projections are ${loraTargets.join(', ')}`;
  if (foreign !== undefined) throw refusal(`there is no projection ${foreign}; ${known}.`);
  if (names.length === 0) throw refusal(`no projection is named; ${known}.`);
  return loraTargets.filter((target) => names.includes(target));
}

/** The weights that training changes: those of the adapter if there is one, otherwise all weights. */
export function trainedShapes(config: ModelConfig, adapter: LoraShape | undefined): Map<string, Shape> {
  return adapter ? loraShapes(config, adapter) : weightShapes(config);
}
