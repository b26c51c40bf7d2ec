import type { Shape, TensorSource } from '../src/graph/tensor.ts';
import { sizeOf } from '../src/graph/tensor.ts';
import type { ModelConfig } from '../src/model/config.ts';
import { weightShapes } from '../src/model/transformer.ts';
import { Random } from '../src/platform/random.ts';

/** Layouts of published models, with full attention. They are measured with random weights. */
export const layouts = {
  /** Qwen3-0.6B. */
  '0.6b': {
    ...{ vocab_size: 151_936, hidden_size: 1024, intermediate_size: 3072, num_hidden_layers: 28 },
    ...{ num_attention_heads: 16, num_key_value_heads: 8, head_dim: 128, qk_norm: true, tie_word_embeddings: true },
    ...{ max_position_embeddings: 2048, rope_theta: 1e6, attention: 'full' },
  },
  /** SmolLM2-135M. */
  '135m': {
    ...{ vocab_size: 49_152, hidden_size: 576, intermediate_size: 1536, num_hidden_layers: 30 },
    ...{ num_attention_heads: 9, num_key_value_heads: 3, head_dim: 64, qk_norm: false, tie_word_embeddings: true },
    ...{ max_position_embeddings: 2048, rope_theta: 1e5, attention: 'full' },
  },
} as const satisfies Readonly<Record<string, Partial<ModelConfig>>>;

/** Weights of a layout, generated when they are read; the numbers repeat after a million. */
export function randomWeights(config: ModelConfig): TensorSource {
  const shapes = weightShapes(config);
  const random = new Random(1, 'layout');
  const noise = Float32Array.from({ length: 2 ** 20 - 3 }, () => 0.02 * random.normal());
  return {
    shapes,
    async read(name) {
      const shape = shapes.get(name) as Shape;
      const data = new Float32Array(sizeOf(shape));
      if (name.endsWith('norm.weight')) return { shape, data: data.fill(1) };
      // A different start for every matrix: ONNX Runtime keeps equal matrices once.
      let begin = random.integer(noise.length / 2);
      for (let start = 0; start < data.length; begin = 0) {
        const part = noise.subarray(begin, begin + data.length - start);
        data.set(part, start);
        start += part.length;
      }
      return { shape, data };
    },
  };
}
