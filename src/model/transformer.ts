import { linear, rmsNorm, silu } from '../graph/compositions.ts';
import {
  add,
  concat,
  constant,
  gather,
  matmul,
  mul,
  reshape,
  rotate,
  slice,
  softmax,
  sub,
  transpose,
} from '../graph/primitives.ts';
import type { HostTensor, Shape, Tensor } from '../graph/tensor.ts';
import type { Random } from '../platform/random.ts';
import type { ModelConfig } from './config.ts';

/** Looks a weight up by its name in the checkpoint. */
export type Weights = (name: string) => Tensor;

/** What a score of -1e9 weighs after the softmax: nothing. */
const hidden = -1e9;

/** Names and shapes of a model's weights, as they stand in its checkpoint (the layout of Qwen2 and Qwen3). */
export function weightShapes(config: ModelConfig): Map<string, Shape> {
  const { hidden_size: d, intermediate_size: f, head_dim: h, num_attention_heads: q, num_key_value_heads: kv } = config;
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
    shapes.set(`${prefix}.post_attention_layernorm.weight`, [d]);
    shapes.set(`${prefix}.mlp.gate_proj.weight`, [f, d]);
    shapes.set(`${prefix}.mlp.up_proj.weight`, [f, d]);
    shapes.set(`${prefix}.mlp.down_proj.weight`, [d, f]);
  }
  shapes.set('model.norm.weight', [d]);
  if (!config.tie_word_embeddings) shapes.set('lm_head.weight', [config.vocab_size, d]);
  return shapes;
}

/** Weights to start training from: gains 1, biases 0, the rest normal, with the residual branches' ends scaled down. */
export function initialWeights(config: ModelConfig, random: Random): Map<string, HostTensor> {
  const weights = new Map<string, HostTensor>();
  const residual = 1 / Math.sqrt(2 * config.num_hidden_layers);
  for (const [name, shape] of weightShapes(config)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const scale = config.initializer_range * (/(o_proj|down_proj)\.weight$/.test(name) ? residual : 1);
    if (/norm\.weight$/.test(name)) data.fill(1);
    else if (!name.endsWith('.bias'))
      for (let index = 0; index < data.length; index++) data[index] = scale * random.normal();
    weights.set(name, { shape, data });
  }
  return weights;
}

export interface Canvas {
  /** Token ids [batch, length], i32; masked places hold the mask token. */
  readonly tokens: Tensor;
  /** 1 where a token is, 0 where the row is padded [batch, length], f32; absent: no row is padded. */
  readonly present?: Tensor | undefined;
}

/** The network without its head: hidden states [batch, length, hidden_size]. */
export function hiddenStates(config: ModelConfig, weight: Weights, { tokens, present }: Canvas): Tensor {
  const [batch, length] = tokens.shape as [number, number];
  const positions = rotaryTables(config, length);
  const visible = visibility(config, length, present && reshape(present, [batch, 1, 1, 1, length]));
  let x: Tensor = gather(weight('model.embed_tokens.weight'), tokens);
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const of: Weights = (name) => weight(`model.layers.${layer}.${name}`);
    const normal = rmsNorm(x, of('input_layernorm.weight'), config.rms_norm_eps);
    x = add(x, attention(config, of, normal, positions, visible));
    const wide = rmsNorm(x, of('post_attention_layernorm.weight'), config.rms_norm_eps);
    const gated = mul(silu(linear(wide, of('mlp.gate_proj.weight'))), linear(wide, of('mlp.up_proj.weight')));
    x = add(x, linear(gated, of('mlp.down_proj.weight')));
  }
  return x;
}

/**
 * Logits of tokens; the shift of models that predict the next place is undone, so that row i is always the prediction
 * of token i. With `rows` [n] (i32, places in the flattened [batch * length] canvas) of those alone: [n, vocab_size];
 * without, of all: [batch, length, vocab_size].
 */
export function logitsAt(config: ModelConfig, weight: Weights, states: Tensor, rows?: Tensor): Tensor {
  const length = states.shape[1] as number;
  const shifted = config.logit_shift && length > 1;
  const aligned = shifted ? concat([slice(states, 1, 0, 1), slice(states, 1, 0, length - 1)], 1) : states;
  return head(config, weight, rows ? gather(reshape(aligned, [-1, config.hidden_size]), rows) : aligned);
}

/** The head's raw output for every place, unshifted: [batch, length, vocab_size]. */
export function head(config: ModelConfig, weight: Weights, states: Tensor): Tensor {
  const normal = rmsNorm(states, weight('model.norm.weight'), config.rms_norm_eps);
  return linear(normal, weight(config.tie_word_embeddings ? 'model.embed_tokens.weight' : 'lm_head.weight'));
}

interface Positions {
  readonly cosines: Tensor;
  readonly sines: Tensor;
}

function attention(
  config: ModelConfig,
  of: Weights,
  x: Tensor,
  positions: Positions,
  visible: Tensor | undefined,
): Tensor {
  const [batch, length] = x.shape as [number, number, number];
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim: d } = config;
  const project = (name: 'q' | 'k' | 'v', count: number): Tensor => {
    const bias = config.attention_bias ? of(`self_attn.${name}_proj.bias`) : undefined;
    let y = reshape(linear(x, of(`self_attn.${name}_proj.weight`), bias), [batch, length, count, d]);
    if (name === 'v') return transpose(y, [0, 2, 1, 3]);
    if (config.qk_norm) y = rmsNorm(y, of(`self_attn.${name}_norm.weight`), config.rms_norm_eps);
    return rotate(transpose(y, [0, 2, 1, 3]), positions.cosines, positions.sines);
  };
  // The query heads of a group stand below each other, so that keys and values are never repeated.
  const q = reshape(project('q', heads), [batch, groups, (heads / groups) * length, d]);
  const scores = mul(matmul(q, project('k', groups), { transposeB: true }), 1 / Math.sqrt(d));
  const weights = softmax(visible ? mask(scores, visible, length) : scores);
  const mixed = reshape(matmul(weights, project('v', groups)), [batch, heads, length, d]);
  return linear(reshape(transpose(mixed, [0, 2, 1, 3]), [batch, length, heads * d]), of('self_attn.o_proj.weight'));
}

function mask(scores: Tensor, visible: Tensor, length: number): Tensor {
  const [batch, groups, rows] = scores.shape as [number, number, number, number];
  return reshape(add(reshape(scores, [batch, groups, rows / length, length, length]), visible), scores.shape);
}

/** What is added to scores [batch, groups, heads per group, query, key]: 0 where a key may be seen; absent: all may. */
function visibility(config: ModelConfig, length: number, present: Tensor | undefined): Tensor | undefined {
  const padded = present && mul(sub(1, present), hidden);
  if (config.attention === 'full') return padded;
  const block = config.block_size as number;
  const data = new Float32Array(length * length);
  for (let query = 0; query < length; query++)
    for (let key = 0; key < length; key++)
      if (Math.floor(key / block) > Math.floor(query / block)) data[query * length + key] = hidden;
  const causal = constant({ shape: [1, 1, 1, length, length], data });
  return padded ? add(causal, padded) : causal;
}

function rotaryTables(config: ModelConfig, length: number): Positions {
  const half = config.head_dim / 2;
  const cosines = new Float32Array(length * half);
  const sines = new Float32Array(length * half);
  for (let position = 0; position < length; position++)
    for (let pair = 0; pair < half; pair++) {
      const angle = position * config.rope_theta ** (-pair / half);
      cosines[position * half + pair] = Math.cos(angle);
      sines[position * half + pair] = Math.sin(angle);
    }
  const shape = [length, half];
  return { cosines: constant({ shape, data: cosines }), sines: constant({ shape, data: sines }) };
}
