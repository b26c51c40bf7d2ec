import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { generateAndScore, type Rollout, type RolloutJob } from '../../src/tuning/rollouts.ts';

const jobs = [1, 2, 3, 4, 5].map((seed) => ({ seed }) as RolloutJob);
const rolloutsOf = (chunk: readonly RolloutJob[]) => chunk.map((job) => ({ job }) as Rollout);

describe('rollouts with slow rewards', () => {
  it('are scored while the next ones are generated, and stay in order', async () => {
    const log: string[] = [];
    const seeds = (of: readonly RolloutJob[]) => of.map(({ seed }) => seed).join();
    const { rollouts, awaitRewards } = await generateAndScore({
      jobs,
      chunkSize: 2,
      generate: async (chunk) => {
        log.push(`generate ${seeds(chunk)}`);
        await delay(5);
        return rolloutsOf(chunk);
      },
      score: async (chunk) => {
        const which = seeds(chunk.map(({ job }) => job));
        log.push(`score ${which}`);
        // The first reward arrives last.
        await delay(which === '1,2' ? 60 : 1);
        log.push(`scored ${which}`);
        return chunk.map(({ job }) => ({ total: job.seed, parts: {} }));
      },
    });
    assert.deepEqual(
      rollouts.map(({ job }) => job.seed),
      [1, 2, 3, 4, 5],
    );
    assert.deepEqual(
      (await awaitRewards()).map((reward) => 'total' in reward && reward.total),
      [1, 2, 3, 4, 5],
    );
    assert.ok(log.indexOf('generate 3,4') < log.indexOf('scored 1,2'));
    assert.equal(log.at(-1), 'scored 1,2');
  });

  it('reject with the first error, after everything has ended', async () => {
    let running = 0;
    const score = async (): Promise<never[]> => {
      running++;
      await delay(20);
      running--;
      throw new Error('a broken sandbox');
    };
    const { awaitRewards } = await generateAndScore({
      jobs,
      chunkSize: 5,
      generate: async (chunk) => rolloutsOf(chunk),
      score,
    });
    await assert.rejects(awaitRewards(), /a broken sandbox/);
    const generate = async (chunk: readonly RolloutJob[]) => {
      if (chunk[0]!.seed > 1) throw new Error('no model');
      return rolloutsOf(chunk);
    };
    await assert.rejects(generateAndScore({ jobs, chunkSize: 1, generate, score }), /no model/);
    assert.equal(running, 0);
  });
});
