import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { denoise } from '../../src/diffusion/denoise.ts';
import { objectives } from '../../src/tuning/objectives/registry.ts';
import { methodOf } from './sevens.ts';

describe('a step of the policy gradient', () => {
  it('reports metrics that match its samples', async () => {
    const { model, method } = await methodOf();
    const { metrics, samples, tokens } = await method.step(3);
    const rewards = samples!.map((sample) => sample.rewards.total!);
    const mean = (numbers: number[]) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
    assert.equal(samples!.length, 24);
    assert.equal(metrics.reward, mean(rewards));
    assert.equal(metrics['rewards/share/mean'], mean(rewards));
    const groups = [0, 1, 2, 3].map((group) => rewards.slice(6 * group, 6 * group + 6));
    groups.forEach((group, index) => {
      assert.equal(new Set(samples!.slice(6 * index, 6 * index + 6).map(({ prompt }) => prompt)).size, 1);
      group.forEach((reward, member) => {
        assert.ok(Math.abs(samples![6 * index + member]!.advantage - (reward - mean(group))) < 1e-12);
      });
    });
    assert.equal(metrics.frac_reward_zero_std, groups.filter((group) => new Set(group).size === 1).length / 4);
    assert.equal(metrics.forwards_per_rollout, 1, 'four tokens per step, as the model suggests');
    for (const name of [
      'loss',
      'grad_norm',
      'learning_rate',
      'elbo_positive',
      'elbo_negative',
      'eubo_negative',
      'entropy',
    ])
      assert.ok(Number.isFinite(metrics[name]), name);
    for (const name of ['time/rollout', 'time/reward', 'time/update']) assert.ok(metrics[name]! >= 0, name);
    assert.ok(metrics['completions/min_length']! >= 1 && metrics['completions/max_length']! <= 4);
    // 24 canvases of six tokens once for the rollouts, and at most twice with two masks each in the updates.
    assert.ok(tokens > 24 * 6 && tokens <= 24 * 6 * (1 + 2 * 2), String(tokens));
    await model.dispose();
  });

  it('records samples that can be reproduced from their seeds', async () => {
    const { model, method } = await methodOf({ decoding_steps: 2 });
    const { samples } = await method.step(1);
    await model.dispose();
    const { model: fresh } = await methodOf();
    const options = { order: 'confidence', length: 4, block: 4, steps: 2, threshold: 0.9, temperature: 0.9 } as const;
    const again = await denoise(fresh, {
      prompts: samples!.map(({ prompt }) => fresh.tokenizer.encode(prompt)),
      seeds: samples!.map(({ seed }) => seed),
      options,
    });
    again.forEach(({ tokens, revealedAt }, index) => {
      assert.deepEqual([...tokens], samples![index]!.tokens);
      assert.deepEqual([...revealedAt], samples![index]!.revealedAt);
    });
    assert.deepEqual(new Set(samples!.map(({ policyVersion }) => policyVersion)), new Set([0]));
    await fresh.dispose();
  });

  it('makes no update if the rewards of every group are equal, and reports it', async () => {
    const { model, method, checkpoint } = await methodOf({ reward: 'constant' });
    const { metrics, samples } = await method.step(1);
    assert.equal(metrics.frac_reward_zero_std, 1);
    assert.equal(metrics.reward_std, 0);
    for (const name of ['loss', 'grad_norm', 'learning_rate']) assert.equal(metrics[name], undefined, name);
    assert.ok(samples!.every(({ advantage }) => advantage === 0));
    for (const [name, { data }] of checkpoint.weights) assert.deepEqual((await model.state.read(name)).data, data);
    assert.equal((await model.state.read('optimizer.step')).data[0], 0);
    await model.dispose();
  });

  it('makes its inner updates on one set of rollouts, each with new masks', async () => {
    const { model, method } = await methodOf({ inner_updates: 3, warmup_steps: 10 });
    const { metrics } = await method.step(1);
    assert.equal((await model.state.read('optimizer.step')).data[0], 3);
    assert.ok(Math.abs(metrics.learning_rate! - 0.002) < 1e-8, 'the mean of 1, 2 and 3 tenths of 0.01');
    const second = await method.step(2);
    assert.ok(second.samples!.every(({ policyVersion }) => policyVersion === 3));
    await model.dispose();
  });

  it('draws other problems and rollouts in another step', async () => {
    const { model, method } = await methodOf({ learning_rate: 1e-12 });
    const tokensOf = async (step: number) => (await method.step(step)).samples!.map(({ tokens }) => tokens);
    assert.notDeepEqual(await tokensOf(1), await tokensOf(2));
    assert.deepEqual(await tokensOf(7), await tokensOf(7));
    await model.dispose();
  });
});

/** Settings that some objectives need to succeed within 25 steps. */
const brisk: Readonly<Record<string, object>> = {
  trafl: { reward_beta: 20 },
  dtm: { tilt_steps: 4 },
  autoedit: { repair_steps: 2 },
};

describe('every objective learns a learnable task', () => {
  for (const { name } of objectives)
    it(name, async () => {
      const { model, method } = await methodOf(brisk[name], name);
      const before = await method.evaluate!();
      let reward = 0;
      for (let step = 1; step <= 25; step++) reward = (await method.step(step)).metrics.reward!;
      const after = await method.evaluate!();
      assert.ok(before.metrics.share!.value <= 0.5, `before: ${before.metrics.share!.value}`);
      assert.ok(reward > 0.8, `sampled reward after 25 steps: ${reward}`);
      assert.equal(after.metrics.share!.value, 1);
      assert.ok(Number.isFinite(after.measures!.eubo_elbo_gap));
      assert.deepEqual([after.split, after.n, method.bestBy], ['validation', 2, 'share']);
      await model.dispose();
    });
});
