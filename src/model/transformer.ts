import { linear } from '../graph/compositions.ts';
import {
  add,
  cast,
  concat,
  constant,
  equal,
  gather,
  matmul,
  mul,
  oneHot,
  reshape,
  rmsNorm,
  rotate,
  slice,
  softmax,
  sub,
  transpose,
} from '../graph/primitives.ts';
import type { HostTensor, Shape, Tensor } from '../graph/tensor.ts';
import type { Random } from '../platform/random.ts';
import { type ModelConfig, rotaryDimensions } from './config.ts';
import { feedForward, feedForwardShapes } from './feed-forward.ts';
import { project, type TokenRows, type Weights, weightsUnder } from './projection.ts';
import { scaledFrequency } from './rope-scaling.ts';

/** Added to a score, this value gives a weight of 0 after the softmax. */
export const hidden = -1e9;

/** Names and shapes of a model's weights in a checkpoint (the layout of Qwen2 and Qwen3). */
export function weightShapes(config: ModelConfig): Map<string, Shape> {
  const { hidden_size: d, head_dim: h, num_attention_heads: q, num_key_value_heads: kv } = config;
  const shapes = new Map<string, Shape>([['model.embed_tokens.weight', [config.vocab_size, d]]]);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const prefix = `model.layers.${layer}`;
    shapes.set(`${prefix}.input_layernorm.weight`, [d]);
    for (const [name, heads] of [
      ['q', q],
      ['k', kv],
      ['v', kv],
    ] as const) {
      shapes.set(`${prefix}.self_attn.${name}_proj.weight`, [heads * h, d]);
      if (config.attention_bias) shapes.set(`${prefix}.self_attn.${name}_proj.bias`, [heads * h]);
      if (config.qk_norm && name !== 'v') shapes.set(`${prefix}.self_attn.${name}_norm.weight`, [h]);
    }
    shapes.set(`${prefix}.self_attn.o_proj.weight`, [d, q * h]);
    if (config.attention_output_bias) shapes.set(`${prefix}.self_attn.o_proj.bias`, [d]);
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [d]);
    for (const [name, shape] of feedForwardShapes(config, layer)) shapes.set(`${prefix}.${name}`, shape);
  }
  shapes.set('model.norm.weight', [d]);
  if (!config.tie_word_embeddings) shapes.set('lm_head.weight', [config.vocab_size, d]);
  return shapes;
}

/** Initial weights: gains 1, biases 0, all others normally distributed, with smaller output projections of residual branches. */
export function initialWeights(config: ModelConfig, random: Random): Map<string, HostTensor> {
  const weights = new Map<string, HostTensor>();
  const residual = 1 / Math.sqrt(2 * config.num_hidden_layers);
  for (const [name, shape] of weightShapes(config)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const scale = config.initializer_range * (/(o_proj|down_proj)\.weight$/.test(name) ? residual : 1);
    if (/norm\.weight$/.test(name)) data.fill(1);
    else if (!name.endsWith('bias'))
      for (let index = 0; index < data.length; index++) data[index] = scale * random.normal();
    weights.set(name, { shape, data });
  }
  return weights;
}

/** A batch of texts, as inputs of a program. */
export interface Rows {
  /** Token ids [batch, length], i32, with the mask token at masked positions. */
  readonly tokens: Tensor;
  /** 1 for tokens, 0 for padding [batch, length], f32; undefined: no row is padded. */
  readonly present?: Tensor | undefined;
  /** 1 for the canvas, 0 for the context [batch, length], f32; required for `prefix-lm` and `causal-context` attention. */
  readonly canvas?: Tensor | undefined;
  /** The layout of a packed row; its attention rule and positions replace the model's. */
  readonly packed?: PackedRow | undefined;
  /** The layout of rows that contain a completion twice; its attention rule replaces the model's. */
  readonly doubled?: DoubledCanvas | undefined;
}

/** The layout of one row [1, length] that holds several texts, and canvases that continue them (`training/packing.ts`). */
export interface PackedRow {
  /** Added to the scores [query, key]: 0 where a token attends to another, a large negative number elsewhere. */
  readonly hidden: Tensor;
  /** The position of each token in its text [length], i32, below `max_position_embeddings`. */
  readonly positions: Tensor;
}

/**
 * The layout of a row of prompt, clean completion and masked completion, [prompt + 2 * length]. The masked tokens of a block
 * attend to the prompt, to the clean blocks before it and to each other. Clean tokens attend to their own block and to all
 * tokens before it. Therefore all blocks are predicted in one pass (block diffusion, arXiv 2503.09573; LLaDA 2.0, arXiv
 * 2512.15745). Prompts of different lengths are padded on the left.
 */
export interface DoubledCanvas {
  readonly prompt: number;
  readonly length: number;
  readonly block: number;
}

/** Computes the network without its head: hidden states [batch, length, hidden_size]. */
export function hiddenStates(config: ModelConfig, weight: Weights, rows: Rows): Tensor {
  const [batch, length] = rows.tokens.shape as [number, number];
  const { doubled, packed } = rows;
  // The tokens of the masked completion have the same positions as those of the clean completion.
  const positions = packed
    ? rotaryTablesAt(config, packed.positions)
    : rotaryTables(
        config,
        length,
        doubled && ((position) => (position < doubled.prompt + doubled.length ? position : position - doubled.length)),
      );
  const visible = visibility(config, rows);
  return layers(config, weight, rows.tokens, (_, of, x) => {
    const { q, k, v } = projections(config, of, x, positions);
    const scores = similarity(q, k);
    const weights = softmax(visible ? mask(scores, visible, length) : scores);
    return joinHeads(config, of, reshape(matmul(weights, v), [batch, config.num_attention_heads, length, -1]));
  });
}

/**
 * Applies all layers to tokens [batch, length] or [length]. `attend` computes the attention of a layer from its normalized
 * states. `last` selects the states of the last layer whose attention and feed-forward are computed; default: all.
 */
export function layers(
  config: ModelConfig,
  weight: Weights,
  tokens: Tensor,
  attend: (layer: number, of: Weights, x: Tensor) => Tensor,
  last: (states: Tensor) => Tensor = (states) => states,
): Tensor {
  let x = embedded(config, weight, tokens);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const of = weightsUnder(weight, `model.layers.${layer}`);
    const attended = attend(layer, of, rmsNorm(x, of('input_layernorm.weight'), config.rms_norm_eps));
    x = add(layer === config.num_hidden_layers - 1 ? last(x) : x, attended);
    const wide = rmsNorm(x, of('post_attention_layernorm.weight'), config.rms_norm_eps);
    x = add(x, feedForward(config, layer, of, wide));
  }
  return x;
}

/**
 * Computes logits from hidden states. The shift of models that predict the next position is undone, so that row i is always the
 * prediction of token i. `rows` [n] (i32, positions in the flattened [batch * length]) selects positions, and the result is
 * [n, vocab_size]. Without `rows` it is [batch, length, vocab_size].
 */
export function logitsAt(config: ModelConfig, weight: Weights, states: Tensor, rows?: Tensor): Tensor {
  const length = states.shape[1] as number;
  const shifted = config.logit_shift && length > 1;
  const aligned = shifted ? concat([slice(states, 1, 0, 1), slice(states, 1, 0, length - 1)], 1) : states;
  return head(config, weight, rows ? gather(reshape(aligned, [-1, config.hidden_size]), rows) : aligned);
}

/** The raw output of the head at `rows` [n] of the flattened [batch * length] states, not shifted: [n, vocab_size]. */
export const rawLogitsAt = (config: ModelConfig, weight: Weights, states: Tensor, rows: Tensor): Tensor =>
  head(config, weight, gather(reshape(states, [-1, config.hidden_size]), rows));

/** The raw output of the head for every position, not shifted: [batch, length, vocab_size]. */
export function head(config: ModelConfig, weight: Weights, states: Tensor): Tensor {
  const normal = rmsNorm(states, weight('model.norm.weight'), config.rms_norm_eps);
  weight.observe?.('lm_head', normal);
  const smoothing = weight.smoothing?.('lm_head');
  const logits = linear(smoothing ? mul(normal, smoothing) : normal, weight(headName(config)));
  const trained = weight.tokens?.(headName(config));
  return trained ? add(logits, trainedLogits(config, weight, normal, trained)) : logits;
}

/** The name of the matrix of the head, which is the matrix of the embeddings if they are tied. */
export const headName = (config: Pick<ModelConfig, 'tie_word_embeddings'>): string =>
  config.tie_word_embeddings ? 'model.embed_tokens.weight' : 'lm_head.weight';

/** Embeds tokens [batch, length]. If the matrix is shared with the head, the smoothing of the head's input is undone. */
function embedded(config: ModelConfig, weight: Weights, tokens: Tensor): Tensor {
  const rows = vocabularyRows(config, weight, embeddingsName, tokens);
  const trained = weight.tokens?.(embeddingsName);
  const own = trained ? add(rows, trainedEmbeddings(config, weight, tokens, trained)) : rows;
  return weight.noise ? add(own, weight.noise) : own;
}

const embeddingsName = 'model.embed_tokens.weight';

/** Rows of a matrix of the vocabulary as the checkpoint has them [...ids.shape, hidden_size]. */
function vocabularyRows(config: ModelConfig, weight: Weights, matrix: string, ids: Tensor): Tensor {
  const rows = gather(weight(matrix), ids);
  const smoothing = matrix === headName(config) ? weight.smoothing?.('lm_head') : undefined;
  return smoothing ? mul(rows, smoothing) : rows;
}

/** The difference between the trained rows of a matrix and the base's [ids.length, hidden_size]. */
function trainedDifference(config: ModelConfig, weight: Weights, matrix: string, { ids, rows }: TokenRows): Tensor {
  return sub(rows, vocabularyRows(config, weight, matrix, idsOf(ids)));
}

const idsOf = (ids: readonly number[]): Tensor => constant({ shape: [ids.length], data: Int32Array.from(ids) });

/** What trained rows add to the embeddings of tokens [...]: nothing, except for their own tokens. */
function trainedEmbeddings(config: ModelConfig, weight: Weights, tokens: Tensor, trained: TokenRows): Tensor {
  const isTrained = cast(equal(reshape(tokens, [-1, 1]), idsOf(trained.ids)), 'f32');
  const added = matmul(isTrained, trainedDifference(config, weight, embeddingsName, trained));
  return reshape(added, [...tokens.shape, config.hidden_size]);
}

/** What trained rows add to the logits of normalized states [...]: nothing, except for their own tokens. */
function trainedLogits(config: ModelConfig, weight: Weights, normal: Tensor, trained: TokenRows): Tensor {
  const own = linear(normal, trainedDifference(config, weight, headName(config), trained));
  const spread = matmul(reshape(own, [-1, trained.ids.length]), oneHot(idsOf(trained.ids), config.vocab_size));
  return reshape(spread, [...normal.shape.slice(0, -1), config.vocab_size]);
}

/** Rotary tables [length, rotated dimensions of a head / 2]. */
export interface Positions {
  readonly cosines: Tensor;
  readonly sines: Tensor;
}

/**
 * Computes queries, keys and values of normalized states [batch, length, hidden_size]. Queries and keys are rotated by their
 * positions. Keys and values are [batch, groups, length, head_dim]. The query heads of a group are concatenated, [batch,
 * groups, heads per group * length, head_dim], so that keys and values are never repeated.
 */
export function projections(
  config: ModelConfig,
  of: Weights,
  x: Tensor,
  positions: Positions,
): { readonly q: Tensor; readonly k: Tensor; readonly v: Tensor } {
  return { q: queries(config, of, x, positions), ...keysAndValues(config, of, x, positions) };
}

/** The queries of normalized states, as in `projections`. States [length, hidden_size] are a batch of one. */
export function queries(config: ModelConfig, of: Weights, x: Tensor, positions: Positions): Tensor {
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim: d } = config;
  const q = turned(headsOf(config, of, x, 'q'), positions);
  const [batch, , length] = q.shape as [number, number, number, number];
  return reshape(q, [batch, groups, (heads / groups) * length, d]);
}

/** The keys and values of normalized states, as in `projections`. States [length, hidden_size] are a batch of one. */
export function keysAndValues(
  config: ModelConfig,
  of: Weights,
  x: Tensor,
  positions: Positions,
): { readonly k: Tensor; readonly v: Tensor } {
  return { k: turned(headsOf(config, of, x, 'k'), positions), v: headsOf(config, of, x, 'v') };
}

/** A projection of states [batch, length, hidden_size] or [length, hidden_size], by head: [batch, heads, length, head_dim]. */
function headsOf(config: ModelConfig, of: Weights, x: Tensor, name: 'q' | 'k' | 'v'): Tensor {
  const [length, batch = 1] = x.shape.slice(0, -1).reverse() as [number, number?];
  const count = name === 'q' ? config.num_attention_heads : config.num_key_value_heads;
  const bias = config.attention_bias ? of(`self_attn.${name}_proj.bias`) : undefined;
  const y = reshape(project(of, `self_attn.${name}_proj`, x, bias), [batch, length, count, config.head_dim]);
  const isNormalized = config.qk_norm && name !== 'v';
  const normal = isNormalized ? rmsNorm(y, of(`self_attn.${name}_norm.weight`), config.rms_norm_eps) : y;
  return transpose(normal, [0, 2, 1, 3]);
}

/** Applies rotary positions to the first dimensions of each head [..., length, head_dim], as many as the tables have. */
function turned(x: Tensor, { cosines, sines }: Positions): Tensor {
  const [d, turning] = [x.shape.at(-1) as number, 2 * (cosines.shape.at(-1) as number)];
  if (turning === d) return rotate(x, cosines, sines);
  const axis = x.shape.length - 1;
  return concat([rotate(slice(x, axis, 0, turning), cosines, sines), slice(x, axis, turning, d)], axis);
}

/** Attention scores before the softmax: queries [..., n, head_dim] and keys [..., m, head_dim] give [..., n, m]. */
export const similarity = (q: Tensor, k: Tensor): Tensor =>
  mul(matmul(q, k, { transposeB: true }), 1 / Math.sqrt(q.shape.at(-1) as number));

/** Applies the output projection to the heads' outputs [batch, heads, length, head_dim]: [batch, length, hidden_size]. */
export function joinHeads(config: ModelConfig, of: Weights, mixed: Tensor): Tensor {
  const [batch, heads, length, d] = mixed.shape as [number, number, number, number];
  const bias = config.attention_output_bias ? of('self_attn.o_proj.bias') : undefined;
  return project(of, 'self_attn.o_proj', reshape(transpose(mixed, [0, 2, 1, 3]), [batch, length, heads * d]), bias);
}

/** Adds a mask, broadcast to [batch, groups, heads per group, query, key], to the scores between the tokens of a text. */
export function mask(scores: Tensor, visible: Tensor, length: number): Tensor {
  const [batch, groups, rows] = scores.shape as [number, number, number, number];
  return reshape(add(reshape(scores, [batch, groups, rows / length, length, length]), visible), scores.shape);
}

/** The mask for scores [batch, groups, heads per group, query, key], 0 for visible keys; undefined: all keys are visible. */
function visibility(config: ModelConfig, { tokens, present, canvas, doubled, packed }: Rows): Tensor | undefined {
  const [batch, length] = tokens.shape as [number, number];
  if (packed) return reshape(packed.hidden, [1, 1, 1, length, length]);
  const asKey = (x: Tensor) => reshape(x, [batch, 1, 1, 1, length]);
  const padded = present && asKey(unseen(present));
  if (config.attention === 'full' && !doubled) return padded;
  const rule = doubled
    ? doubledCausal(doubled)
    : config.attention === 'prefix-lm'
      ? withPrefixKeys(canvas, asKey)
      : config.attention === 'causal-context'
        ? causalContext(canvas, asKey)
        : config.attention === 'causal'
          ? causal(length)
          : blockCausal(config, length);
  return padded ? add(rule, padded) : rule;
}

/** The mask that is added to the scores of keys: 0 where `seen` is 1, and a large negative number where it is 0. */
export const unseen = (seen: Tensor): Tensor => mul(sub(1, seen), hidden);

function withPrefixKeys(canvas: Tensor | undefined, asKey: (x: Tensor) => Tensor): Tensor {
  if (!canvas) throw new Error('prefix-lm attention needs to know where the canvas is');
  const [batch, length] = canvas.shape as [number, number];
  return mul(reshape(unseen(canvas), [batch, 1, 1, length, 1]), asKey(canvas));
}

/** Causal, except that the tokens of the canvas attend to each other. */
function causalContext(canvas: Tensor | undefined, asKey: (x: Tensor) => Tensor): Tensor {
  if (!canvas) throw new Error('causal-context attention needs to know where the canvas is');
  const [batch, length] = canvas.shape as [number, number];
  const inCanvas = mul(reshape(canvas, [batch, 1, 1, length, 1]), asKey(canvas));
  return mul(causal(length), sub(1, inCanvas));
}

/** The causal mask for the scores between the tokens of a text: a token does not attend to later tokens. */
export const causal = (length: number): Tensor => ruleOf(length, (query, key) => key <= query);

/** The mask of a canvas that begins with the last token of its context, which attends to itself only. */
export const causalFirst = (length: number): Tensor => ruleOf(length, (query, key) => query > 0 || key === 0);

function blockCausal(config: ModelConfig, length: number): Tensor {
  const block = config.block_size as number;
  return ruleOf(length, (query, key) => Math.floor(key / block) <= Math.floor(query / block));
}

function doubledCausal({ prompt, length, block }: DoubledCanvas): Tensor {
  const blockOf = (position: number) => {
    if (position < prompt) return { index: -1, clean: true };
    const clean = position < prompt + length;
    return { index: Math.floor((position - prompt - (clean ? 0 : length)) / block), clean };
  };
  return ruleOf(prompt + 2 * length, (query, key) => {
    const [from, to] = [blockOf(query), blockOf(key)];
    if (from.clean) return to.clean && to.index <= from.index;
    return to.clean ? to.index < from.index : to.index === from.index;
  });
}

function ruleOf(length: number, attends: (query: number, key: number) => boolean): Tensor {
  const data = new Float32Array(length * length);
  for (let query = 0; query < length; query++)
    for (let key = 0; key < length; key++) if (!attends(query, key)) data[query * length + key] = hidden;
  return constant({ shape: [1, 1, 1, length, length], data });
}

/** The rotary tables of the positions that a program reads [length], each below `max_position_embeddings`. */
export function rotaryTablesAt(config: ModelConfig, positions: Tensor): Positions {
  const { cosines, sines } = rotaryTables(config, config.max_position_embeddings);
  return { cosines: gather(cosines, positions), sines: gather(sines, positions) };
}

/** The rotary tables of positions 0 to length - 1, or of the positions that `positionOf` returns. */
export function rotaryTables(
  config: ModelConfig,
  length: number,
  positionOf: (position: number) => number = (position) => position,
): Positions {
  const half = rotaryDimensions(config) / 2;
  const frequencies = Array.from({ length: half }, (_, pair) =>
    scaledFrequency(config.rope_theta ** (-pair / half), config.rope_scaling),
  );
  const cosines = new Float32Array(length * half);
  const sines = new Float32Array(length * half);
  for (let position = 0; position < length; position++)
    for (let pair = 0; pair < half; pair++) {
      const angle = positionOf(position) * (frequencies[pair] as number);
      cosines[position * half + pair] = Math.cos(angle);
      sines[position * half + pair] = Math.sin(angle);
    }
  const shape = [length, half];
  return { cosines: constant({ shape, data: cosines }), sines: constant({ shape, data: sines }) };
}
