import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type GenerationPlan,
  generateAndScore,
  oneAfterAnother,
  type Rollout,
  type RolloutJob,
} from '../../src/tuning/rollouts.ts';

const job = (seed: number) => ({ seed }) as RolloutJob;
const batches = [[job(1), job(2)], [job(3), job(4)], [job(5)]];
const written = (batch: readonly RolloutJob[]) => ({
  rollouts: batch.map((each) => ({ job: each }) as Rollout),
  tokens: 10,
});
const seeds = (of: readonly { readonly seed: number }[]) => of.map(({ seed }) => seed).join();

/** Generates batches one after the other with `make`. */
const inTurn =
  (make: (batch: readonly RolloutJob[]) => Promise<ReturnType<typeof written>>): GenerationPlan['generate'] =>
  (all, signal) =>
    oneAfterAnother(all, make, { step: 1, signal });

const totals = (rewards: readonly unknown[]) => rewards.map((reward) => (reward as { total: number }).total);
const rewardsOf = (rollouts: readonly Rollout[]) => rollouts.map((rollout) => ({ total: rollout.job.seed, parts: {} }));

describe('rollouts with slow rewards', () => {
  it('are scored while the next ones are generated, and stay in order', async () => {
    const log: string[] = [];
    const { rollouts, tokens, rewards } = await generateAndScore({
      batches,
      scoredTogether: 1,
      generate: inTurn(async (batch) => {
        log.push(`generate ${seeds(batch)}`);
        await delay(5);
        return written(batch);
      }),
      score: async (scored) => {
        const which = seeds(scored.map((rollout) => rollout.job));
        log.push(`score ${which}`);
        // The first reward arrives last.
        await delay(which === '1,2' ? 60 : 1);
        log.push(`scored ${which}`);
        return rewardsOf(scored);
      },
    });
    assert.equal(seeds(rollouts.map((rollout) => rollout.job)), '1,2,3,4,5');
    assert.equal(tokens, 30);
    assert.deepEqual(totals(await rewards()), [1, 2, 3, 4, 5]);
    assert.ok(log.indexOf('generate 3,4') < log.indexOf('scored 1,2'));
    assert.equal(log.at(-1), 'scored 1,2');
  });

  it('may be generated in any order, are scored in the order in which they are complete, and are returned in order', async () => {
    const scored: string[] = [];
    const { rollouts, rewards } = await generateAndScore({
      batches,
      scoredTogether: 2,
      generate: (all) =>
        all.map(async (batch, index) => {
          await delay([40, 1, 15][index]);
          return written(batch);
        }),
      score: async (some) => {
        scored.push(seeds(some.map((rollout) => rollout.job)));
        return rewardsOf(some);
      },
    });
    assert.deepEqual(scored, ['3,4,5', '1,2']);
    assert.equal(seeds(rollouts.map((rollout) => rollout.job)), '1,2,3,4,5');
    assert.deepEqual(totals(await rewards()), [1, 2, 3, 4, 5]);
  });

  it('reject with the first error, after everything has ended', async () => {
    let running = 0;
    const score = async (): Promise<never[]> => {
      running++;
      await delay(20);
      running--;
      throw new Error('a broken sandbox');
    };
    const { rewards } = await generateAndScore({
      batches: [batches.flat()],
      scoredTogether: 1,
      generate: inTurn(async (batch) => written(batch)),
      score,
    });
    await assert.rejects(rewards(), /a broken sandbox/);
    const generate = inTurn(async (batch) => {
      if (batch[0]!.seed > 1) throw new Error('no model');
      return written(batch);
    });
    await assert.rejects(generateAndScore({ batches, scoredTogether: 1, generate, score }), /no model/);
    assert.equal(running, 0);
  });

  it('are not generated any more once scoring has failed', async () => {
    const generated: string[] = [];
    const generate = inTurn(async (batch) => {
      generated.push(seeds(batch));
      await delay(10);
      return written(batch);
    });
    const score = async () => Promise.reject(new Error('a broken sandbox'));
    await assert.rejects(generateAndScore({ batches, scoredTogether: 1, generate, score }), /a broken sandbox/);
    assert.deepEqual(generated, ['1,2', '3,4']);
  });
});
