import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { total } from '../../src/graph/compositions.ts';
import { gradients, topologicalOrder } from '../../src/graph/differentiate.ts';
import { input, state } from '../../src/graph/primitives.ts';
import { sizeOf, type Tensor } from '../../src/graph/tensor.ts';
import type { Mixture, ModelConfig } from '../../src/model/config.ts';
import { largestRank, lookUp, loraTargets } from '../../src/model/lora.ts';
import { precisions } from '../../src/model/precision.ts';
import { hiddenStates, weightShapes } from '../../src/model/transformer.ts';
import { machineMemory } from '../../src/platform/machine-memory.ts';
import { activationBytes, assertFits, memoryNeed, rowsThatFit } from '../../src/training/memory.ts';
import { eightBillion } from '../model/published-shapes.ts';
import { tinyCheckpoint } from '../model/tiny-model.ts';

const { config } = tinyCheckpoint();

describe('rows that fit into memory', () => {
  it('are many for short texts, few for long texts, and at least one', () => {
    assert.ok(rowsThatFit(config, { length: 40, answer: 16 }) > 384);
    const code = { ...config, num_hidden_layers: 4, num_attention_heads: 8, hidden_size: 256, intermediate_size: 704 };
    const long = { length: 1000, answer: 256 };
    const rows = rowsThatFit({ ...code, vocab_size: 4096 }, long);
    assert.ok(rows >= 2 && rows <= 8, `${rows}`);
    assert.equal(rowsThatFit({ ...code, num_hidden_layers: 400 }, long), 1);
  });

  it('are fewer for longer texts, and for more target positions', () => {
    const bytes = activationBytes(config, { length: 64, answer: 16 });
    assert.ok(activationBytes(config, { length: 128, answer: 16 }) > bytes);
    assert.ok(activationBytes(config, { length: 64, answer: 32 }) > bytes);
  });
});

/** Bytes of the forward results that the backward pass through a model's layers reads, if all weights are trained. */
function keptByGraph(model: ModelConfig, length: number): number {
  const weights = new Map([...weightShapes(model)].map(([name, shape]) => [name, state(name, shape)]));
  const states = hiddenStates(model, lookUp(weights, undefined), { tokens: input('tokens', [1, length], 'i32') });
  const forward = new Set(topologicalOrder([states]));
  const trained = [...weights].filter(([name]) => name.startsWith('model.layers')).map(([, node]) => node);
  // Excluded: the same numbers in another shape, state, and inputs.
  const same = (node: Tensor): Tensor =>
    ['reshape', 'broadcast', 'stopGradient'].includes(node.primitive) ? same(node.inputs[0] as Tensor) : node;
  const excluded = ['state', 'input', 'constant'];
  const read = topologicalOrder(gradients(total(states), trained)).filter((node) => !forward.has(node));
  const kept = new Set(read.flatMap(({ inputs }) => inputs.map(same)).filter((node) => forward.has(node)));
  return [...kept].reduce(
    (sum, { primitive, shape }) => sum + (excluded.includes(primitive) ? 0 : 4 * sizeOf(shape)),
    0,
  );
}

describe('the activations of a row', () => {
  const widths = {
    hidden_size: 64,
    intermediate_size: 192,
    num_attention_heads: 4,
    num_key_value_heads: 4,
    head_dim: 16,
  };
  const dense = { ...config, ...widths, num_hidden_layers: 3 };
  const moe: Mixture = {
    num_experts: 16,
    num_experts_per_tok: 2,
    intermediate_size: 64,
    first_dense_layers: 1,
    scoring: 'softmax',
    expert_bias: false,
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: true,
    routed_scaling_factor: 1,
  };
  const models = {
    dense,
    mixture: { ...dense, moe },
    shared: { ...dense, moe: { ...moe, shared_intermediate_size: 128 } },
  };
  for (const [name, model] of Object.entries(models))
    it(`are not underestimated if the feed-forward is ${name}`, () => {
      for (const length of [32, 128]) {
        const [kept, estimated] = [keptByGraph(model, length), activationBytes(model, { length, answer: 0 })];
        assert.ok(kept <= estimated && kept > estimated / 2, `${kept} of ${estimated} bytes at ${length} tokens`);
      }
    });

  it('are smaller for a model without mixture layers', () => {
    const [few, none] = [1, 3].map((first_dense_layers) =>
      activationBytes({ ...dense, moe: { ...moe, first_dense_layers } }, { length: 32, answer: 4 }),
    ) as [number, number];
    assert.ok(few > 2 * none);
    assert.equal(none, activationBytes(dense, { length: 32, answer: 4 }));
  });
});

describe('the memory of a run', () => {
  const gib = 2 ** 30;
  const large = { ...config, ...eightBillion };
  const plan = { row: { length: 456, answer: 256 }, rows: 12 };
  const adapter = { rank: 128, alpha: 64, targets: loraTargets };
  const bytes = (precision: (typeof precisions)[number]) =>
    memoryNeed(large, { ...plan, adapter, precision }).about / gib;

  it('with eight billion weights and an adapter is mostly that of the stored weights', () => {
    const [f32, int8, int4] = precisions.map(bytes) as [number, number, number];
    // 7.0 of 8.0 billion weights are projections: 4, 1.125 and 0.625 bytes each.
    assert.ok(Math.abs(f32 - int8 - (6.98e9 * 2.875) / gib) < 0.5, `${f32} and ${int8}`);
    assert.ok(Math.abs(int8 - int4 - (6.98e9 * 0.5) / gib) < 0.1, `${int8} and ${int4}`);
    assert.ok(f32 > 30 && f32 < 60, `${f32}`);
    assert.ok(int4 > 8 && int4 < 35, `${int4}`);
    const full = memoryNeed(large, { ...plan, precision: 'f32' }).about / gib;
    assert.ok(full > (8e9 * 48) / gib && full > 4 * f32, `${full}`);
    const narrow = memoryNeed(large, { ...plan, adapter: { ...adapter, rank: 8 }, precision: 'int4' }).about / gib;
    assert.ok(narrow < int4 - 4, `${narrow}`);
    assert.ok(adapter.rank <= largestRank(large, adapter.targets));
  });

  it('has a minimum, which is less than the estimate', () => {
    const { least, about } = memoryNeed(large, { ...plan, adapter: { ...adapter, rank: 8 }, precision: 'int4' });
    assert.ok(least < about, `${least} and ${about}`);
    assert.ok(least > 0.625 * 6.98e9, `${least}`);
  });

  it('is reported before a run, which is rejected if the machine has less', () => {
    const need = { least: 2 * gib, about: 3 * gib };
    assert.equal(
      assertFits(need, { total: 24 * gib, free: 20 * gib }),
      'The run needs about 3.0 GiB of memory; this machine has 24.0 GiB.',
    );
    assert.match(
      assertFits(need, { total: 2.5 * gib, free: 2 * gib }),
      /2\.5 GiB \(2\.0 GiB free, so the run may be slow/,
    );
    assert.throws(() => assertFits(need, { total: 1.9 * gib, free: gib }), {
      name: 'UserError',
      message: /^The run needs at least 2\.0 GiB of memory; this machine has 1\.9 GiB\. Train an adapter .*\.$/,
    });
    const { total: all, free } = machineMemory();
    assert.ok(free > 0 && free <= all && all > 2 ** 28 && all < 2 ** 46);
  });
});
