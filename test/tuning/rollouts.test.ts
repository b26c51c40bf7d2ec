import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { generateAndScore, type Rollout, type RolloutJob } from '../../src/tuning/rollouts.ts';

const jobs = [1, 2, 3, 4, 5].map((seed) => ({ seed }) as RolloutJob);
const written = (wave: readonly RolloutJob[]) => wave.map((job) => ({ job }) as Rollout);

describe('rollouts with slow rewards', () => {
  it('are scored while the next ones are generated, and stay in order', async () => {
    const log: string[] = [];
    const seeds = (of: readonly RolloutJob[]) => of.map(({ seed }) => seed).join();
    const { rollouts, rewards } = await generateAndScore({
      jobs,
      chunkSize: 2,
      generate: async (wave) => {
        log.push(`generate ${seeds(wave)}`);
        await delay(5);
        return written(wave);
      },
      score: async (wave) => {
        const which = seeds(wave.map(({ job }) => job));
        log.push(`score ${which}`);
        // The first reward arrives last.
        await delay(which === '1,2' ? 60 : 1);
        log.push(`earned ${which}`);
        return wave.map(({ job }) => ({ total: job.seed, parts: {} }));
      },
    });
    assert.deepEqual(
      rollouts.map(({ job }) => job.seed),
      [1, 2, 3, 4, 5],
    );
    assert.deepEqual(
      (await rewards()).map((earned) => 'total' in earned && earned.total),
      [1, 2, 3, 4, 5],
    );
    assert.ok(log.indexOf('generate 3,4') < log.indexOf('earned 1,2'));
    assert.equal(log.at(-1), 'earned 1,2');
  });

  it('reject with the first error, after everything has ended', async () => {
    let running = 0;
    const score = async (): Promise<never[]> => {
      running++;
      await delay(20);
      running--;
      throw new Error('a broken sandbox');
    };
    const { rewards } = await generateAndScore({ jobs, chunkSize: 5, generate: async (wave) => written(wave), score });
    await assert.rejects(rewards(), /a broken sandbox/);
    const generate = async (wave: readonly RolloutJob[]) => {
      if (wave[0]!.seed > 1) throw new Error('no model');
      return written(wave);
    };
    await assert.rejects(generateAndScore({ jobs, chunkSize: 1, generate, score }), /no model/);
    assert.equal(running, 0);
  });
});
