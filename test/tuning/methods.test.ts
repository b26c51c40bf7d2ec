import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HostTensor } from '../../src/graph/tensor.ts';
import type { LanguageModel } from '../../src/model/language-model.ts';
import type { Objective } from '../../src/tuning/objectives/objective.ts';
import { objectives } from '../../src/tuning/objectives/registry.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { assertNear } from '../model/assert-near.ts';
import { tinyCheckpoint } from '../model/tiny-model.ts';
import { sameTexts } from './same-texts.ts';
import { fillsGaps, methodOf, sevens, sevensBefore } from './sevens.ts';

/** Methods that keep another policy, with its name in the state. */
const holding: Readonly<Record<string, 'reference' | 'teacher'>> = {
  'diffu-grpo': 'reference',
  unigrpo: 'reference',
  'coupled-grpo': 'reference',
  espo: 'reference',
  vrpo: 'reference',
  egspo: 'reference',
  'egspo-sa': 'reference',
  trafl: 'reference',
  rspo: 'reference',
  dtm: 'teacher',
};
const clipped = ['diffu-grpo', 'unigrpo', 'coupled-grpo', 'espo', 'egspo', 'egspo-sa'];

/**
 * AdamW divides each gradient by its own magnitude, so a gradient that consists of rounding errors still makes a large
 * update. This
 * epsilon keeps such updates small, and hardly affects all others.
 */
const steady = { learning_rate: 1e-2, adam_epsilon: 1e-2, repair_steps: 1 };

function assertSameWeights(
  found: ReadonlyMap<string, HostTensor>,
  expected: ReadonlyMap<string, HostTensor>,
  what: string,
): void {
  for (const [name, { data }] of expected) assertNear(found.get(name)!.data, data, `${what}: ${name}`);
}

describe('every objective', () => {
  for (const objective of objectives) {
    const { name } = objective;

    it(`${name}: says whether it generates its rollouts itself`, async () => {
      let generates: boolean | undefined;
      const watched: Objective = {
        ...objective,
        begin(run) {
          const method = objective.begin(run);
          generates = method.rollOut !== undefined;
          return method;
        },
      };
      const { model, method } = await methodOf({}, watched);
      assert.equal(objective.generatesRollouts === true, generates);
      await method.dispose!();
      await model.dispose();
    });

    it(`${name}: the size of a micro-batch changes memory and speed only`, async () => {
      const nextRun = sameTexts(objective);
      const runOf = async (micro_batch: number) => {
        const { model, method } = await methodOf({ ...steady, micro_batch }, nextRun());
        const metrics = [await method.step(1), await method.step(2)].map((step) => step.metrics);
        const weights = await model.readWeights();
        await method.dispose!();
        await model.dispose();
        return { metrics, weights };
      };
      const one = await runOf(1);
      for (const micro_batch of [5, 48]) {
        const many = await runOf(micro_batch);
        one.metrics.forEach((step, index) => {
          for (const [metric, value] of Object.entries(step)) {
            if (metric.startsWith('time/')) continue;
            assertNear([many.metrics[index]![metric]!], [value], `${micro_batch}: ${metric} of step ${index + 1}`);
          }
        });
        assertSameWeights(many.weights, one.weights, `micro_batch ${micro_batch}`);
      }
    });

    it(`${name}: gives a model that fills gaps the suffix of a completion too`, async () => {
      if (name === 'ebpo') {
        // Its second copy would take the suffix's positions.
        const config = tinyCheckpoint(fillsGaps).config;
        assert.throws(() => objective.check!(tuningSettings.parse({}), config), /no place for the suffix/);
        return;
      }
      const stepOf = async (task: typeof sevens, micro_batch: number, run: Objective) => {
        const { model, method } = await methodOf({ ...steady, micro_batch }, run, { task, config: fillsGaps });
        const { metrics } = await method.step(1);
        const weights = await model.readWeights();
        await method.dispose!();
        await model.dispose();
        return { loss: metrics.loss as number, weights };
      };
      const nextRun = sameTexts(objective);
      const one = await stepOf(sevensBefore, 1, nextRun());
      const all = await stepOf(sevensBefore, 48, nextRun());
      const without = await stepOf(sevens, 48, objective);
      assertNear([all.loss], [one.loss], 'loss');
      assertSameWeights(all.weights, one.weights, 'micro_batch 48');
      assert.notEqual(all.loss, without.loss);
    });

    it(`${name}: keeps the necessary state, and nothing else`, async () => {
      const { model, method, checkpoint } = await methodOf({}, name);
      await method.step(1);
      const state = await method.state!();
      const held = holding[name];
      const names = held ? [...checkpoint.weights.keys()].map((weight) => `${held}.${weight}`) : [];
      assert.deepEqual([...state.keys()].sort(), names.sort());
      // The copy is the base, not the policy after a step.
      for (const [weight, { data }] of checkpoint.weights)
        if (held) assert.deepEqual(state.get(`${held}.${weight}`)!.data, data);
      await model.dispose();
    });
  }

  for (const name of clipped)
    it(`${name}: before the first update the ratio is 1 and the divergence 0`, async () => {
      const { model, method } = await methodOf({ inner_updates: 1 }, name);
      const { metrics } = await method.step(1);
      assert.equal(metrics.clip_ratio, 0);
      assert.ok(Math.abs(metrics.kl!) < 1e-6, `kl ${metrics.kl}`);
      const { metrics: second } = await method.step(2);
      assert.equal(second.clip_ratio, 0, 'each step has its own old policy');
      assert.ok(second.kl! > 0, 'the reference does not change');
      await model.dispose();
    });

  it('with a KL penalty follows a reference that is copied again', async () => {
    const { model, method } = await methodOf({ inner_updates: 1, reference_every: 1 }, 'espo');
    await method.step(1);
    const { metrics } = await method.step(2);
    assert.ok(Math.abs(metrics.kl!) < 1e-6, `kl ${metrics.kl}`);
    const state = await method.state!();
    assert.equal(
      [...state.keys()].every((key) => key.startsWith('reference.')),
      true,
    );
    await model.dispose();
  });

  it('without a divergence keeps no reference, and makes no update if the rewards of every group are equal', async () => {
    for (const name of [...clipped, 'wd1', 'vrpo', 'trafl', 'rspo', 'ebpo', 'dispo']) {
      const { model, method, checkpoint } = await methodOf({ reward: 'constant', kl: 0, inner_updates: 1 }, name);
      const { metrics } = await method.step(1);
      assert.equal(metrics.loss, undefined, name);
      for (const [weight, { data }] of checkpoint.weights)
        assert.deepEqual((await model.state.read(weight)).data, data, name);
      if (clipped.includes(name)) assert.equal((await method.state!()).size, 0, name);
      await model.dispose();
    }
  });
});

describe('dtm', () => {
  it('generates with its teacher, which becomes the student at the end of a phase', async () => {
    const { model, method, checkpoint } = await methodOf({ tilt_steps: 2 }, 'dtm');
    const versions = [];
    for (let step = 1; step <= 3; step++) {
      const { samples } = await method.step(step);
      versions.push(samples![0]!.policyVersion);
      if (step === 2) assert.equal((await model.state.read('optimizer.step')).data[0], 4);
    }
    assert.deepEqual(versions, [0, 0, 4], 'number of updates in the teacher');
    assert.equal((await model.state.read('optimizer.step')).data[0], 2, 'the optimiser was reset');
    const teacher = await method.state!();
    const moved = [...checkpoint.weights].some(
      ([name, { data }]) => teacher.get(`teacher.${name}`)!.data[0] !== data[0],
    );
    assert.ok(moved, 'the teacher has changed');
    await model.dispose();
  });
});

describe('trafl', () => {
  it('learns a table of log Z and keeps it', async () => {
    const { model, method } = await methodOf({ log_z: 'learned' }, 'trafl');
    await method.step(1);
    const table = (await method.state!()).get('log_z')!;
    assert.deepEqual(table.shape, [256]);
    const moved = [...table.data].filter((value) => value !== 0).length;
    assert.ok(moved >= 1 && moved <= 4, `one number per prompt, not ${moved}`);
    await model.dispose();
  });
});

describe('autoedit', () => {
  it('first learns to repair, then tunes on edited texts with a record of their drafts', async () => {
    const { model, method } = await methodOf({ repair_steps: 1, edit_threshold: 0.01, edit_passes: 2 }, 'autoedit');
    const first = await method.step(1);
    assert.ok('score' in first.metrics && !('clip_ratio' in first.metrics), 'supervised');
    const second = await method.step(2);
    assert.ok('clip_ratio' in second.metrics, 'a policy gradient');
    assert.ok(second.metrics.forwards_per_rollout! > 1, 'edit passes are counted');
    await model.dispose();
  });
});

it('ebpo rejects a model with shifted logits', () => {
  const { check } = objectives.find(({ name }) => name === 'ebpo')!;
  const settings = { kl: 0, reference: 'base' } as Parameters<NonNullable<typeof check>>[0];
  const config = { logit_shift: true } as LanguageModel['config'];
  assert.throws(() => check!(settings, config), { name: 'UsageError', message: /ebpo puts a completion twice/ });
});
