import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Random } from '../../src/platform/random.ts';
import { Trainer } from '../../src/training/trainer.ts';
import { enumerate } from '../../src/tuning/exact/enumerated-gradient.ts';
import { EstimatorSetup, worldSettings } from '../../src/tuning/exact/estimators.ts';
import { everyText, predictEverything } from '../../src/tuning/exact/world.ts';
import { evalOnlyOptimizer } from '../../src/tuning/likelihoods/eval-only-optimizer.ts';
import { objectives } from '../../src/tuning/objectives/registry.ts';
import { generateRollouts } from '../../src/tuning/rollouts.ts';
import { oneThread } from '../model/tiny-model.ts';

const length = 4;
let bed: EstimatorSetup;
before(async () => {
  bed = await EstimatorSetup.open(oneThread(), { seed: 3, length });
});
after(() => bed.dispose());

/** Changes one weight during `of`, and restores it. */
async function moved(name: string, position: number, by: number, of: () => Promise<number>): Promise<number> {
  const before = await bed.model.state.read(name);
  const data = Float32Array.from(before.data);
  data[position] = data[position]! + by;
  await bed.model.state.write(name, { shape: before.shape, data });
  const found = await of();
  await bed.model.state.write(name, before);
  return found;
}

const weights = ['model.embed_tokens.weight', 'model.layers.0.self_attn.q_proj.weight', 'lm_head.weight'];

/** Compares gradients with finite differences of the loss, at a few positions of some weights. */
async function assertSlopes(gradient: (name: string) => Promise<ArrayLike<number>>, loss: () => Promise<number>) {
  const random = new Random(1, 'places');
  for (const name of weights) {
    const own = await gradient(name);
    const scale = Math.max(1e-3, ...Array.from(own, Math.abs));
    for (let draw = 0; draw < 3; draw++) {
      // Special tokens come first, and their probability is negligible.
      const position = Math.floor(own.length / 2) + random.integer(Math.floor(own.length / 2));
      const step = 4e-3;
      const slope =
        ((await moved(name, position, step, loss)) - (await moved(name, position, -step, loss))) / (2 * step);
      assert.ok(
        Math.abs(slope - own[position]!) < 0.01 * scale + 1e-3,
        `${name}[${position}]: ${own[position]}, not ${slope}`,
      );
    }
  }
}

describe("the gradient of each objective's loss matches finite differences", () => {
  for (const objective of objectives)
    it(objective.name, async () => {
      const settings = worldSettings(length, { inner_updates: 1, kl: 0.1, control_variate: 0.5, tilt_step: 1 });
      const method = objective.begin(bed.run(settings));
      const jobs = bed.jobs(5, 0, 12);
      const rollouts = (await method.rollOut?.(jobs, 1)) ?? (await generateRollouts(bed.model, jobs));
      const updates = await method.prepare(bed.collect(rollouts, 6, 5, 0));
      // Slightly away from the old policy and the reference, so that ratios and divergences have non-zero gradients.
      await moved('lm_head.weight', 40, 0.05, async () => {
        const { batches } = await updates.update(0);
        assert.ok(batches.length > 0);
        const trainer = new Trainer(bed.model, objective.loss, evalOnlyOptimizer);
        const gradients = await trainer.gradients(batches);
        const loss = async () => {
          let sum = 0;
          for (const batch of batches) sum += (await trainer.evaluate(batch)).loss;
          return sum;
        };
        await assertSlopes(async (name) => gradients.get(name)!.data, loss);
        await trainer.dispose();
        return 0;
      });
      await method.dispose?.();
    });
});

describe('the enumerated policy gradient', () => {
  const reward = (text: readonly number[]) => text.filter((letter) => letter === 1).length / text.length;

  it('has the expected reward that follows from the likelihoods of all texts', async () => {
    const predict = await predictEverything(bed.model, 'a', 3);
    const { value, reach } = enumerate(predict, 3, reward);
    const chances = everyText(3).map((text) => reach.get(text.join()) ?? 0);
    assert.ok(Math.abs(chances.reduce((sum, chance) => sum + chance, 0) - 1) < 1e-9);
    const expected = everyText(3).reduce((sum, text, index) => sum + chances[index]! * reward(text), 0);
    assert.ok(Math.abs(value.get('-1,-1,-1')! - expected) < 1e-9);
  });

  it('is the slope of that expected reward', async () => {
    const own = await EstimatorSetup.open(oneThread(), { seed: 3, length: 3, reward });
    const sizes = await bed.model.readWeights();
    const starts = new Map<string, number>();
    let start = 0;
    for (const [name, { data }] of sizes) {
      starts.set(name, start);
      start += data.length;
    }
    await assertSlopes(
      async (name) => own.truth.slice(starts.get(name)!, starts.get(name)! + sizes.get(name)!.data.length),
      async () => -enumerate(await predictEverything(bed.model, 'a', 3), 3, reward).value.get('-1,-1,-1')!,
    );
    await own.dispose();
  });
});
