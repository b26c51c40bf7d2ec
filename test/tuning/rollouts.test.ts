import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Rollout, type RolloutJob, rollOutAndEarn } from '../../src/tuning/rollouts.ts';

const jobs = [1, 2, 3, 4, 5].map((seed) => ({ seed }) as RolloutJob);
const written = (wave: readonly RolloutJob[]) => wave.map((job) => ({ job }) as Rollout);

describe('rollouts whose rewards take time', () => {
  it('are rewarded while the next are written, and stay in order', async () => {
    const log: string[] = [];
    const seeds = (of: readonly RolloutJob[]) => of.map(({ seed }) => seed).join();
    const { rollouts, rewards } = await rollOutAndEarn({
      jobs,
      wave: 2,
      write: async (wave) => {
        log.push(`write ${seeds(wave)}`);
        await delay(5);
        return written(wave);
      },
      earn: async (wave) => {
        const which = seeds(wave.map(({ job }) => job));
        log.push(`earn ${which}`);
        // The first is the last to be known.
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
    assert.ok(log.indexOf('write 3,4') < log.indexOf('earned 1,2'));
    assert.equal(log.at(-1), 'earned 1,2');
  });

  it('end with what is wrong, once nothing runs any more', async () => {
    let running = 0;
    const earn = async (): Promise<never[]> => {
      running++;
      await delay(20);
      running--;
      throw new Error('a broken sandbox');
    };
    const { rewards } = await rollOutAndEarn({ jobs, wave: 5, write: async (wave) => written(wave), earn });
    await assert.rejects(rewards(), /a broken sandbox/);
    const write = async (wave: readonly RolloutJob[]) => {
      if (wave[0]!.seed > 1) throw new Error('no model');
      return written(wave);
    };
    await assert.rejects(rollOutAndEarn({ jobs, wave: 1, write, earn }), /no model/);
    assert.equal(running, 0);
  });
});
