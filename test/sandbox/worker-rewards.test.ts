import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import type { RunningJob } from '../../src/runs/run-job.ts';
import { programs } from '../../src/tasks/programs/programs.ts';
import type { Task } from '../../src/tasks/task.ts';
import { parseQueueAddress } from '../../src/workers/address.ts';
import { openQueueServer } from '../../src/workers/queue-server.ts';
import { registeredWorkers } from '../../src/workers/registry.ts';
import { queueWorkers } from '../../src/workers/remote-run.ts';
import { spawnUnmask } from '../cli/unmask.ts';
import { oneThread, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { findRedis, RedisServer } from '../workers/redis-server.ts';

let home: string;
before(async () => {
  home = await mkdtemp(path.join(tmpdir(), 'unmask-rewards-'));
  await writeTinyCheckpoint(path.join(home, 'tiny'));
});
after(() => rm(home, { recursive: true, force: true }));

const task = programs as Task;

it('a worker runs the tests of completions in its sandbox, with the rewards of this machine', async (test) => {
  const program = await findRedis();
  if (typeof program === 'string') return test.skip(program);
  const redis = await RedisServer.start(program);
  const queue = await openQueueServer(parseQueueAddress(redis.url, '--queue'));
  let stopWorker = () => {};
  const worker = spawnUnmask(
    ['worker', '--queue', redis.url, '--rewards', '--name', 'judge', '--model', path.join(home, 'tiny')],
    (_, kill) => {
      stopWorker = () => kill('SIGTERM');
    },
  );
  const base = await resolveModel(path.join(home, 'tiny'));
  const model = await LanguageModel.load(oneThread(), await openCheckpoint(base));
  const warnings: string[] = [];
  const job = {
    run: {
      dir: home,
      configuration: { name: 'run', createdAt: 'now', seed: 1 },
      log: async () => undefined,
    },
    warn: async (text: string) => void warnings.push(text),
  } as unknown as RunningJob;
  try {
    for (let tries = 0; tries < 600 && (await registeredWorkers(queue.redis)).length === 0; tries++) await delay(50);
    const workers = await queueWorkers(queue).open({ job, model, base, task, staleness: 0 });
    try {
      // The worker joins the run within about a second.
      let share = 0;
      for (let tries = 0; tries < 20 && share === 0; tries++) {
        // New problems, because verdicts are cached.
        const random = new Random(tries, 'rewards');
        const rows = Array.from({ length: 8 }, () => task.generate!(random, {}));
        const requests = rows.flatMap((row) =>
          [task.solution(row, 'plain')!, 'return 1;'].map((completion) => ({ row, completion, reward: 'tests' })),
        );
        const progress: number[] = [];
        const shared = await workers.task.scorer.reward(requests, 'plain', {
          onProgress: (done) => progress.push(done),
        });
        assert.deepEqual(shared, await task.scorer.reward(requests, 'plain'));
        assert.equal(progress.at(-1), requests.length);
        share = workers.takeMetrics()['workers/judge/rewards'] ?? 0;
      }
      assert.ok(share > 0, 'the worker scored some');
      assert.deepEqual(
        warnings.filter((text) => !/another kind of machine/.test(text)),
        [],
      );
    } finally {
      await workers.close({ finished: true });
    }
    stopWorker();
    const ended = await worker;
    assert.match(ended.stdout, /^judge generated 0 groups and scored [1-9]\d* completions\.$/m, ended.stderr);
  } finally {
    stopWorker();
    await worker;
    await model.dispose();
    await queue.close();
    await redis.close();
  }
});
