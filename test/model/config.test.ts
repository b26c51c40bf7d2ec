import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sizeOf } from '../../src/graph/tensor.ts';
import { parseConfig, presetConfig, presets } from '../../src/model/config.ts';
import { initialWeights, weightShapes } from '../../src/model/transformer.ts';
import { Random } from '../../src/platform/random.ts';

const special = { pad: 0, eos: 1, mask: 2 };

it('presets range from half a million to thirty million parameters, each close to the size in its name', () => {
  const counts: number[] = [];
  for (const preset of Object.keys(presets)) {
    const config = presetConfig(preset, 1, special);
    const shapes = [...weightShapes(config)].filter(([name]) => !name.includes('embed_tokens'));
    const count = shapes.reduce((sum, [, shape]) => sum + sizeOf(shape), 0);
    const named = Number(/-([\d.]+)m$/.exec(preset)![1]) * 1e6;
    assert.ok(count / named > 0.7 && count / named < 1.3, `${preset} has ${count} parameters`);
    counts.push(count);
  }
  assert.deepEqual(
    counts,
    counts.toSorted((a, b) => a - b),
    'in ascending order',
  );
  assert.ok(counts[0]! > 0.4e6 && counts.at(-1)! < 33e6, String(counts));
});

it('a preset is a valid configuration for its vocabulary', () => {
  for (const preset of Object.keys(presets)) {
    const config = presetConfig(preset, 23, special);
    assert.deepEqual(parseConfig(JSON.parse(JSON.stringify(config)), 'config.json'), config);
    assert.deepEqual([config.vocab_size, config.mask_token_id], [23, 2]);
  }
  assert.throws(() => presetConfig('huge', 23, special), {
    name: 'UsageError',
    message: /no preset huge; choose one of nano/,
  });
  assert.throws(() => presetConfig('toString', 23, special), { name: 'UsageError' });
});

it('an autoregressive model predicts the next position, and does not attend to later ones', () => {
  const { attention, logit_shift, architectures } = presetConfig('nano-0.5m', 23, { ...special, eom: 3 }, 100, true);
  assert.deepEqual([attention, logit_shift, architectures], ['causal', true, ['UnmaskForCausalLM']]);
});

it('a configuration that is not an object is rejected', () => {
  for (const value of [null, 5, 'text', []])
    assert.throws(() => parseConfig(value, 'folder/config.json'), {
      name: 'UserError',
      message: /^folder\/config\.json: the configuration must be an object/,
    });
});

it('initial weights follow from the seed: gains 1, matrices normal with the configured deviation', () => {
  const config = presetConfig('nano-0.5m', 23, special);
  const weights = initialWeights(config, new Random(4, 'initial weights'));
  assert.deepEqual(weights, initialWeights(config, new Random(4, 'initial weights')));
  assert.deepEqual([...weights.keys()], [...weightShapes(config).keys()]);
  assert.ok(weights.get('model.norm.weight')!.data.every((gain) => gain === 1));
  const deviation = (name: string) => {
    const { data } = weights.get(name)!;
    return Math.sqrt(Array.from(data).reduce((sum, value) => sum + value * value, 0) / data.length);
  };
  const base = config.initializer_range;
  assert.ok(Math.abs(deviation('model.layers.0.mlp.up_proj.weight') / base - 1) < 0.02);
  const residual = base / Math.sqrt(2 * config.num_hidden_layers);
  assert.ok(Math.abs(deviation('model.layers.1.mlp.down_proj.weight') / residual - 1) < 0.02);
});
