/**
 * A second implementation of the transformer, in double precision, one token and one head at a time. It is written from
 * the definitions (RMSNorm arXiv 1910.07467, rotary positions arXiv 2104.09864 in Hugging Face's half-split layout,
 * SwiGLU arXiv 2002.05202, grouped-query attention arXiv 2305.13245) and shares no code with the product, which it
 * checks.
 */
import type { ModelConfig } from '../../src/model/config.ts';

export type ReferenceWeights = ReadonlyMap<string, { readonly data: ArrayLike<number> }>;

/**
 * The head's raw output for every position of one unpadded row: [length][vocab_size]. `given` selects the positions
 * outside the canvas.
 */
export function referenceLogits(
  config: ModelConfig,
  weights: ReferenceWeights,
  tokens: ArrayLike<number>,
  given: (position: number) => boolean = () => false,
): number[][] {
  const { hidden_size: d, head_dim: h, rms_norm_eps: epsilon } = config;
  const of = (name: string) => {
    const found = weights.get(name);
    if (!found) throw new Error(`no weight ${name}`);
    return found.data;
  };
  const embedding = of('model.embed_tokens.weight');
  let x = Array.from(tokens, (token) => Array.from({ length: d }, (_, i) => embedding[token * d + i]!));
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = (name: string) => of(`model.layers.${layer}.${name}`);
    const normal = x.map((row) => normalised(row, at('input_layernorm.weight'), epsilon));
    /** [position][head][h] */
    const projected = (name: 'q' | 'k' | 'v', heads: number) =>
      normal.map((row, position) => {
        const bias = config.attention_bias ? at(`self_attn.${name}_proj.bias`) : undefined;
        const flat = product(at(`self_attn.${name}_proj.weight`), row).map((value, i) => value + (bias?.[i] ?? 0));
        return Array.from({ length: heads }, (_, head) => {
          const own = flat.slice(head * h, (head + 1) * h);
          if (name === 'v') return own;
          const scaled = config.qk_norm ? normalised(own, at(`self_attn.${name}_norm.weight`), epsilon) : own;
          return rotated(scaled, position, config.rope_theta);
        });
      });
    const q = projected('q', config.num_attention_heads);
    const k = projected('k', config.num_key_value_heads);
    const v = projected('v', config.num_key_value_heads);
    const perGroup = config.num_attention_heads / config.num_key_value_heads;
    x = x.map((row, position) => {
      const mixed = Array.from({ length: config.num_attention_heads }, (_, head) => {
        const group = Math.floor(head / perGroup);
        const seen = k.map((_, other) => other).filter((other) => sees(config, position, other, given));
        const scores = seen.map((other) => dot(q[position]![head]!, k[other]![group]!) / Math.sqrt(h));
        const shares = softmax(scores);
        return Array.from({ length: h }, (_, i) =>
          seen.reduce((sum, other, index) => sum + shares[index]! * v[other]![group]![i]!, 0),
        );
      });
      return plus(row, product(at('self_attn.o_proj.weight'), mixed.flat()));
    });
    x = x.map((row) => {
      const wide = normalised(row, at('post_attention_layernorm.weight'), epsilon);
      const gate = product(at('mlp.gate_proj.weight'), wide);
      const up = product(at('mlp.up_proj.weight'), wide);
      const gated = gate.map((value, i) => (value / (1 + Math.exp(-value))) * up[i]!);
      return plus(row, product(at('mlp.down_proj.weight'), gated));
    });
  }
  const head = of(config.tie_word_embeddings ? 'model.embed_tokens.weight' : 'lm_head.weight');
  return x.map((row) => product(head, normalised(row, of('model.norm.weight'), epsilon)));
}

/**
 * Logits of the token at every position: the raw output there, or that of the previous position for a shifted model.
 */
export function referencePredictions(
  config: ModelConfig,
  weights: ReferenceWeights,
  tokens: ArrayLike<number>,
): number[][] {
  const raw = referenceLogits(config, weights, tokens);
  return config.logit_shift ? raw.map((_, position) => raw[Math.max(0, position - 1)]!) : raw;
}

/** log softmax(logits)[token] */
export function logProbability(logits: readonly number[], token: number): number {
  const peak = Math.max(...logits);
  return logits[token]! - peak - Math.log(logits.reduce((sum, value) => sum + Math.exp(value - peak), 0));
}

/**
 * Gradient of `value` by central differences, at about `most` evenly spaced positions of every weight: [position,
 * slope].
 */
export function finiteDifferences(
  weights: ReferenceWeights,
  value: (weights: ReferenceWeights) => number,
  most = 6,
): Map<string, [number, number][]> {
  const step = 1e-5;
  const moved = new Map([...weights].map(([name, { data }]) => [name, { data: Float64Array.from(data) }]));
  const slopes = new Map<string, [number, number][]>();
  for (const [name, { data }] of moved) {
    const positions = data.length <= most ? data.length : most;
    const spread = Array.from({ length: positions }, (_, index) =>
      Math.floor(((index + 0.5) * data.length) / positions),
    );
    slopes.set(
      name,
      spread.map((position) => {
        const was = data[position]!;
        data[position] = was + step;
        const above = value(moved);
        data[position] = was - step;
        const below = value(moved);
        data[position] = was;
        return [position, (above - below) / (2 * step)];
      }),
    );
  }
  return slopes;
}

function sees(
  { attention, block_size: block }: ModelConfig,
  position: number,
  other: number,
  given: (position: number) => boolean,
): boolean {
  if (attention === 'prefix-lm') return given(other) || !given(position);
  if (attention === 'causal') return other <= position;
  return attention === 'full' || Math.floor(other / block!) <= Math.floor(position / block!);
}

function normalised(row: readonly number[], gain: ArrayLike<number>, epsilon: number): number[] {
  const meanSquare = row.reduce((sum, value) => sum + value * value, 0) / row.length;
  return row.map((value, i) => (value / Math.sqrt(meanSquare + epsilon)) * gain[i]!);
}

/** Component i is rotated with component i + h/2 by the angle position * theta^(-2i/h). */
function rotated(row: readonly number[], position: number, theta: number): number[] {
  const half = row.length / 2;
  return row.map((value, i) => {
    const angle = position * theta ** (-(2 * (i % half)) / row.length);
    const partner = i < half ? -row[i + half]! : row[i - half]!;
    return value * Math.cos(angle) + partner * Math.sin(angle);
  });
}

/** A weight in checkpoint layout [out, in] times a vector [in]. */
function product(weight: ArrayLike<number>, row: readonly number[]): number[] {
  return Array.from({ length: weight.length / row.length }, (_, out) =>
    row.reduce((sum, value, i) => sum + weight[out * row.length + i]! * value, 0),
  );
}

function softmax(scores: readonly number[]): number[] {
  const peak = Math.max(...scores);
  const shares = scores.map((score) => Math.exp(score - peak));
  const all = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / all);
}

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const plus = (a: readonly number[], b: readonly number[]) => a.map((value, i) => value + b[i]!);
