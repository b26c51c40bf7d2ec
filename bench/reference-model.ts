import { mean } from '../src/graph/compositions.ts';
import type { OptimizerOptions } from '../src/graph/optimizer.ts';
import { neg, reshape } from '../src/graph/primitives.ts';
import type { Checkpoint } from '../src/model/checkpoint.ts';
import { type ModelConfig, presetConfig } from '../src/model/config.ts';
import { paperDefaults } from '../src/model/generation.ts';
import { characterSpecials, characterTokenizer, Tokenizer } from '../src/model/tokenizer.ts';
import { initialWeights } from '../src/model/transformer.ts';
import { Random } from '../src/platform/random.ts';
import type { Batch, Loss } from '../src/training/trainer.ts';

/** Rows and tokens per row of a training step and of the large forward pass, and vocabulary size. */
export const reference = { batch: 16, length: 128, vocabulary: 512 } as const;

/**
 * The model shape for comparing engines and libraries: 4 layers, hidden size 256, 4 heads, vocabulary 512, 3.4M
 * parameters. A SwiGLU of size 688, which has three matrices, has about as many parameters and operations as a
 * feed-forward layer of size 1024 with two matrices.
 */
export const referenceConfig: ModelConfig = {
  ...presetConfig('mini-3m', reference.vocabulary, characterSpecials),
  num_attention_heads: 4,
  num_key_value_heads: 4,
  head_dim: 64,
  intermediate_size: 688,
  tie_word_embeddings: false,
};

export function referenceModel(): Checkpoint {
  return {
    config: referenceConfig,
    weights: initialWeights(referenceConfig, new Random(0, 'bench weights')),
    tokenizer: new Tokenizer(characterTokenizer('')),
    generation: paperDefaults,
  };
}

export const referenceOptimizer: OptimizerOptions = {
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  weightDecay: 0.1,
  maxGradNorm: 1,
  schedule: { learningRate: 3e-4, warmup: 0, decay: 'constant', steps: 1, floor: 1 },
};

/** Mean cross-entropy over all positions. */
export const crossEntropy: Loss = {
  name: 'cross-entropy',
  define: ({ logp }) => ({ loss: reshape(neg(mean(logp, [0])), []) }),
};

/** Random tokens, and random targets at every position. */
export function referenceBatch(): Batch {
  const { batch, length, vocabulary } = reference;
  const random = new Random(0, 'bench batch');
  const draw = () => Int32Array.from({ length: batch * length }, () => random.integer(vocabulary));
  const n = [batch * length];
  return {
    tokens: { shape: [batch, length], data: draw() },
    rows: { shape: n, data: Int32Array.from({ length: batch * length }, (_, position) => position) },
    targets: { shape: n, data: draw() },
    extra: {},
  };
}
