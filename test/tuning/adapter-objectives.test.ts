import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { objectives } from '../../src/tuning/objectives/registry.ts';
import { methodOf } from './sevens.ts';

/** Methods that keep another policy, with its name in the state. */
const keeping: Readonly<Record<string, string>> = { 'diffu-grpo': 'reference', vrpo: 'reference', dtm: 'teacher' };

describe('every objective', () => {
  for (const { name } of objectives)
    it(`${name}: trains only the adapter, and keeps no second base`, async () => {
      const settings = { inner_updates: 1, prompts_per_step: 2, repair_steps: 0, kl: keeping[name] ? 0.1 : null };
      const { model, method, checkpoint } = await methodOf(settings, name, { adapter: true });
      let learnt = 0;
      for (let step = 1; step <= 3; step++) {
        const { metrics } = await method.step(step);
        if (metrics.loss !== undefined) learnt++;
        for (const [metric, value] of Object.entries(metrics))
          assert.ok(Number.isFinite(value), `${metric} = ${value}`);
      }
      assert.ok(learnt > 0);
      for (const [weight, { data }] of checkpoint.weights)
        assert.deepEqual((await model.state.read(weight)).data, data, weight);
      const moved = [...(await model.readWeights())].filter(
        ([factor, { data }]) => String(data) !== String(checkpoint.adapter!.weights.get(factor)!.data),
      );
      assert.equal(moved.length, checkpoint.adapter!.weights.size);
      const carried = [...(await method.state!()).keys()];
      assert.ok(
        carried.every((key) => !key.includes('.weight') || key.includes('.lora_')),
        `${carried}`,
      );
      const kept = keeping[name];
      if (kept) assert.equal(carried.filter((key) => key.startsWith(`${kept}.`)).length, moved.length);
      await method.dispose?.();
      await model.dispose();
    });
});
