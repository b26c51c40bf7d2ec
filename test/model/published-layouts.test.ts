import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { TensorflowEngine } from '../../src/engine/tensorflow/tensorflow-engine.ts';
import { inMemory, openCheckpoint } from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { keptBytes } from '../../src/model/memory.ts';
import { weightShapes } from '../../src/model/transformer.ts';
import { oneThread, tinyCheckpoint } from './tiny-model.ts';

const references = path.join(import.meta.dirname, 'references');

/** The expected configuration of each folder's model. */
const layouts: Readonly<Record<string, Partial<ModelConfig>>> = {
  'open-dcoder': { logit_shift: true, attention: 'full', attention_bias: true, qk_norm: false, mask_token_id: 3 },
  'a2d-qwen2': { logit_shift: false, attention: 'full', attention_bias: true, eos_token_id: 1, mask_token_id: 3 },
  'a2d-qwen3': { logit_shift: false, attention: 'block-causal', block_size: 4, qk_norm: true, rope_theta: 1e6 },
  dream: { logit_shift: true, attention: 'full', attention_bias: true, tie_word_embeddings: false },
  llada: { logit_shift: false, attention: 'full', attention_bias: false, vocab_size: 102, pad_token_id: 0 },
  'llada-moe': { logit_shift: false, attention: 'full', qk_norm: true, partial_rotary_factor: 1 },
  'llada2-moe': { logit_shift: false, attention: 'block-causal', block_size: 4, eos_token_id: 1, mask_token_id: 3 },
  sdar: { logit_shift: false, attention: 'block-causal', block_size: 4, qk_norm: true, eos_token_id: 0 },
  'stable-diffcoder': {
    logit_shift: false,
    attention: 'block-causal',
    block_size: 4,
    qk_norm: false,
    mask_token_id: 3,
  },
  llama: {
    ...{ logit_shift: true, attention: 'causal', attention_bias: false, tie_word_embeddings: false, rope_theta: 500 },
    rope_scaling: {
      ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
      original_max_position_embeddings: 64,
    },
  },
  'llama-tied': {
    ...{ attention: 'causal', attention_bias: true, attention_output_bias: true, tie_word_embeddings: true },
    ...{ rope_theta: 1e5, rope_scaling: undefined, mask_token_id: undefined },
  },
  qwen2: {
    attention: 'causal',
    attention_bias: true,
    rope_theta: 1e6,
    rope_scaling: { rope_type: 'linear', factor: 2.5 },
  },
  qwen3: { logit_shift: true, attention: 'causal', attention_bias: false, qk_norm: true, head_dim: 16 },
};

interface Reference {
  readonly tokens: number[];
  readonly logits: number[][];
}
const reference = async (layout: string): Promise<Reference> =>
  JSON.parse(await readFile(path.join(references, layout, 'logits.json'), 'utf8'));

/** Largest difference between two lists of numbers. */
const difference = (found: ArrayLike<number>, expected: readonly number[]): number => {
  assert.equal(found.length, expected.length);
  return expected.reduce((most, value, index) => Math.max(most, Math.abs(value - (found[index] as number))), 0);
};

/** Loads a layout and compares every logit with the reference, the raw ones and the predictions of a padded batch. */
async function agrees(engine: Engine, layout: string): Promise<void> {
  const { tokens, logits } = await reference(layout);
  const model = await LanguageModel.load(
    engine,
    await openCheckpoint(await resolveModel(path.join(references, layout))),
  );
  try {
    const row = Int32Array.from(tokens);
    const raw = difference(await model.rawLogits(row), logits.flat());
    assert.ok(raw < 3e-4, `raw logits of ${layout} are off by ${raw}`);
    const predicted = model.config.logit_shift
      ? logits.map((_, position) => logits[Math.max(0, position - 1)]!)
      : logits;
    const whole = { tokens: row, positions: [...row.keys()] };
    const [found] = await model.logits([whole, { tokens: row.subarray(0, 3), positions: [1] }]);
    const most = difference(found!, predicted.flat());
    assert.ok(most < 3e-4, `predictions of ${layout} are off by ${most}`);
  } finally {
    await model.dispose();
  }
}

describe('a published layout', () => {
  for (const [layout, said] of Object.entries(layouts))
    it(`${layout} gives the logits of its formulas`, async () => {
      const { config } = await openCheckpoint(await resolveModel(path.join(references, layout)));
      for (const [name, value] of Object.entries(said)) assert.deepEqual(config[name], value, name);
      await agrees(oneThread(), layout);
    });

  for (const layout of ['a2d-qwen3', 'llada2-moe', 'llama', 'llama-tied'])
    it(`${layout} gives them on TensorFlow.js too`, async () => agrees(await TensorflowEngine.open('cpu'), layout));
});

it("a model that exceeds this machine's memory is rejected before it is read", async () => {
  const checkpoint = await openCheckpoint(await resolveModel(path.join(references, 'llada')));
  const weights = {
    shapes: new Map([['model.embed_tokens.weight', [2 ** 20, 2 ** 22]]]),
    read: () => assert.fail('it is read'),
  };
  const refused = (loading: Promise<unknown>) =>
    assert.rejects(loading, { name: 'UserError', message: /needs 16384\.0 GiB of memory, but this machine has \d/ });
  const large = { ...checkpoint, weights };
  await refused(LanguageModel.load(oneThread(), large));
  await refused(LanguageModel.loadFrozen(oneThread(), large, 'f32'));
  const base = { name: 'base', digest: null, precision: 'f32' } as const;
  const adapter = { rank: 1, alpha: 1, targets: ['q_proj'], weights: new Map(), base } as const;
  await refused(LanguageModel.load(oneThread(), { ...large, adapter }));
  await refused(inMemory(large));
});

it('a quantized base needs no more memory than its blocks, if a device keeps them', async (test) => {
  const checkpoint = tinyCheckpoint({ hidden_size: 32, intermediate_size: 256, head_dim: 16 });
  const all = keptBytes(weightShapes(checkpoint.config));
  const loading = async (engine: Engine, limit: number) => {
    test.mock.method(process, 'constrainedMemory', () => limit);
    return (await LanguageModel.loadFrozen(engine, checkpoint, 'int8')).dispose();
  };
  await loading(oneThread(), all / 2);
  await assert.rejects(loading(oneThread(), all / 8), /but this machine has/);
  const tensorflow = await TensorflowEngine.open('cpu');
  await assert.rejects(loading(tensorflow, all / 2), /but this machine has/);
  await loading(tensorflow, all);
});
