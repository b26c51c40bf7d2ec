import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import type { HostTensor } from '../../src/graph/tensor.ts';
import { type Checkpoint, writeCheckpoint } from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import type { GenerationDefaults } from '../../src/model/generation.ts';
import { characterTokenizer, Tokenizer } from '../../src/model/tokenizer.ts';
import { initialWeights } from '../../src/model/transformer.ts';
import { Random } from '../../src/platform/random.ts';
import { plainAlphabet } from '../../src/tasks/plain-alphabet.ts';

/** One thread: a tiny model computes faster than threads wake up. */
export const oneThread = (): OnnxEngine => new OnnxEngine('cpu', 1);

/** A model of one layer that has several heads and a feed-forward size that is no multiple of them. */
export function tinyConfig(changes: Partial<ModelConfig> = {}): ModelConfig {
  return {
    model_type: 'unmask',
    vocab_size: 8,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    head_dim: 4,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    rope_theta: 10000,
    attention_bias: false,
    qk_norm: false,
    tie_word_embeddings: true,
    logit_shift: false,
    attention: 'full',
    mask_token_id: 2,
    eos_token_id: 1,
    pad_token_id: 0,
    initializer_range: 0.4,
    ...changes,
  };
}

/** Every architecture option that is not in the plain model. */
export const everyOption: Partial<ModelConfig> = {
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  attention_bias: true,
  qk_norm: true,
  tie_word_embeddings: false,
  logit_shift: true,
  attention: 'block-causal',
  block_size: 3,
};

/** Weights with norm gains and biases that have an effect: those of a fresh model are all 1 and 0. */
export function variedWeights(config: ModelConfig, seed = 1): Map<string, HostTensor> {
  const random = new Random(seed, 'varied weights');
  const weights = initialWeights(config, random);
  for (const { data } of weights.values()) for (let i = 0; i < data.length; i++) data[i]! += 0.2 * random.normal();
  return weights;
}

export const tinyGeneration: GenerationDefaults = { prompt_format: 'plain', block_length: 8, tokens_per_step: 4 };

/** A tiny model with the tokenizer of the puzzle models, so that it can process their tasks, although badly. */
export function tinyCheckpoint(changes: Partial<ModelConfig> = {}, seed = 1): Checkpoint {
  const vocab_size = 4 + plainAlphabet.length;
  const config = tinyConfig({ vocab_size, ...changes });
  const tokenizer = new Tokenizer(characterTokenizer(plainAlphabet));
  return { config, weights: variedWeights(config, seed), tokenizer, generation: tinyGeneration };
}

/** Writes a tiny model's checkpoint folder and returns it. */
export async function writeTinyCheckpoint(
  folder: string,
  changes: Partial<ModelConfig> = {},
  seed = 1,
): Promise<string> {
  await writeCheckpoint(folder, tinyCheckpoint(changes, seed));
  return folder;
}
