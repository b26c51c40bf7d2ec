import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Interrupted } from '../../src/platform/errors.ts';
import { runWorkersSchema } from '../../src/runs/records.ts';
import { document, enterHome, refusal, spawnUnmask, unmask } from '../cli/unmask.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { findRedis, RedisServer } from './redis-server.ts';

const password = 'correct-horse';
const set = (...pairs: readonly string[]) => pairs.flatMap((pair) => ['--set', pair]);
const rollouts = set(
  'prompts_per_step=2',
  'group_size=2',
  'inner_updates=1',
  'evaluation_problems=1',
  'evaluate_every=0',
);
const tune = [
  'tune',
  '--task',
  'sudoku4x4',
  '--model',
  'tiny',
  '--steps',
  '1',
  '--test',
  '0',
  '--engine',
  'onnx',
  '--device',
  'cpu',
];

let program: Awaited<ReturnType<typeof findRedis>>;
let leave: () => Promise<void>;
let server: RedisServer | undefined;
before(async () => {
  program = await findRedis();
  ({ leave } = await enterHome());
  await writeTinyCheckpoint('tiny');
  await writeTinyCheckpoint('other', {}, 2);
  if (typeof program !== 'string') server = await RedisServer.start(program, ['--requirepass', password]);
});
after(async () => {
  delete process.env.UNMASK_REDIS_PASSWORD;
  delete process.env.UNMASK_REDIS_USERNAME;
  await server?.close();
  await leave();
});

/** The message of a command that is refused before a run directory is created. */
async function refusedBeforeStart(url: string, ...args: readonly string[]): Promise<string> {
  const message = await refusal([...tune, '--runs', 'refused', '--workers', url, ...args], 1);
  assert.deepEqual(await readdir('refused').catch(() => []), []);
  return message;
}

describe('a queue that cannot be used is refused before a run starts:', () => {
  it('an unreachable host', async () => {
    assert.match(
      await refusedBeforeStart('redis://127.0.0.1:1'),
      /^The server at redis:\/\/127\.0\.0\.1:1 cannot be reached \(.*ECONNREFUSED.*\); start it,/,
    );
  });

  it('a server that is too old', async () => {
    const old = createServer((socket) => {
      socket.on('data', (bytes) => {
        const info = 'redis_version:5.0.3\r\nmaxmemory_policy:noeviction\r\n';
        for (const command of `${bytes}`.matchAll(/\*\d+\r\n\$\d+\r\n(\w+)/g))
          socket.write(command[1]!.toLowerCase() === 'info' ? `$${info.length}\r\n${info}\r\n` : '+OK\r\n');
      });
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await once(old, 'listening');
    try {
      const { port } = old.address() as AddressInfo;
      assert.match(
        await refusedBeforeStart(`redis://127.0.0.1:${port}`),
        /is Redis 5\.0, which is too old; use Redis 6\.2 or newer/,
      );
    } finally {
      old.close();
    }
  });

  it('a missing and a wrong password', async (test) => {
    if (!server) return test.skip(program as string);
    assert.match(await refusedBeforeStart(server.url), /refused the password; set UNMASK_REDIS_PASSWORD/);
    process.env.UNMASK_REDIS_PASSWORD = 'wrong';
    assert.match(await refusedBeforeStart(server.url), /refused the password/);
    assert.match(await refusal(['worker', '--queue', server.url], 1), /refused the password/);
    process.env.UNMASK_REDIS_PASSWORD = password;
  });

  it('a server that deletes jobs', async (test) => {
    if (!server) return test.skip(program as string);
    const redis = new Redis({ port: server.port, password });
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    try {
      assert.match(
        await refusedBeforeStart(server.url),
        /may delete jobs .*allkeys-lru\); set maxmemory-policy noeviction/,
      );
    } finally {
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
      redis.disconnect();
    }
  });

  it('a method with rollouts of its own, and a staleness that does not fit', async (test) => {
    if (!server) return test.skip(program as string);
    const usage = (...args: readonly string[]) => refusal([...tune, '--workers', server!.url, ...args], 2);
    assert.match(
      await usage('--objective', 'autoedit'),
      /^autoedit generates its rollouts itself, which workers cannot do/,
    );
    assert.match(
      await usage('--set', 'staleness=1'),
      /staleness = 1 biases spg-mixture, which has no importance ratio; .*stale_without_ratio=true/,
    );
    assert.match(
      await refusal([...tune, '--objective', 'diffu-grpo', '--set', 'staleness=1'], 2),
      /staleness = 1 needs workers .*; add --workers, or set staleness=0/,
    );
    assert.match(await refusal([...tune, '--send-code-to', 'host'], 2), /--send-code-to needs --workers/);
  });
});

it('a worker without a sandbox refuses to compute rewards', async () => {
  const { platform } = process;
  Object.defineProperty(process, 'platform', { value: 'win32' });
  try {
    assert.match(
      await refusal(['worker', '--queue', 'redis://127.0.0.1:1', '--rewards'], 1),
      /^Code written by a model cannot run on Windows, because there is no sandbox for it;/,
    );
  } finally {
    Object.defineProperty(process, 'platform', { value: platform });
  }
});

describe('a run with workers', () => {
  it('goes on without any, and equals a run on one machine', async (test) => {
    if (!server) return test.skip(program as string);
    const { checkpoint: shared, dir } = await document([...tune, ...rollouts, '--workers', server.url]);
    const { checkpoint: alone } = await document([...tune, ...rollouts, ...set('rollout_batch=group')]);
    const weights = (folder: string) => readFile(path.join(folder, 'model.safetensors'));
    assert.ok((await weights(shared)).equals(await weights(alone)));
    const record = runWorkersSchema.parse(JSON.parse(await readFile(path.join(dir, 'workers.json'), 'utf8')));
    assert.deepEqual([record.queue, record.workers], [server.url, []]);
    const everything = await Promise.all(
      ['run.json', 'log.txt', 'workers.json'].map((name) => readFile(path.join(dir, name), 'utf8')),
    );
    assert.doesNotMatch(everything.join(''), new RegExp(password));
    const redis = new Redis({ port: server.port, password });
    assert.deepEqual(await redis.keys('*'), [], 'nothing is left on the server');
    redis.disconnect();
  });

  it('generates with the policy of the step before with staleness=1, and logs how old it was', async (test) => {
    if (!server) return test.skip(program as string);
    const stale = ['--objective', 'diffu-grpo', '--steps', '3', ...rollouts, ...set('staleness=1')];
    const { dir } = await document([...tune, ...stale, '--workers', server.url]);
    const events = (await readFile(path.join(dir, 'events.jsonl'), 'utf8'))
      .split('\n')
      .filter((line) => line.includes('off_policy/steps/mean'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .map((event) => (event.metrics ?? event) as Record<string, number>);
    assert.deepEqual(
      events.map((metrics) => [metrics['off_policy/steps/mean'], metrics['off_policy/steps/max']]),
      [
        [0, 0],
        [1, 1],
        [1, 1],
      ],
    );
    assert.ok(
      events.every((metrics) => metrics['off_policy/dropped'] === 0 && metrics['time/wait_for_rollouts']! >= 0),
    );
    assert.equal(JSON.parse(await readFile(path.join(dir, 'run.json'), 'utf8')).settings.staleness, 1);
  });

  it('goes on when the server is gone, and ends', async (test) => {
    if (typeof program === 'string') return test.skip(program);
    const brief = await RedisServer.start(program);
    try {
      let killed: Promise<void> | undefined;
      const args = [...tune, '--steps', '6', ...rollouts, '--workers', brief.url, '--json'];
      const { code, stderr } = await unmask(args, {
        onProgress: (text) => {
          if (text.includes('step 2 ')) killed ??= brief.kill();
        },
      });
      assert.equal(code, 0, stderr);
      assert.ok(killed, 'the server was killed during the run');
      assert.match(
        stderr,
        /^Warning: The server at \S+ cannot be reached \(.*\).* this process computes everything itself\.$/m,
      );
      assert.match(stderr, /^step 6 /m);
    } finally {
      await brief.close();
    }
  });

  it('shares its groups with workers whose users have the rights in docs/scaling.md, and goes on with one that has another model', async (test) => {
    if (!server) return test.skip(program as string);
    const { url } = server;
    await createUsers(server.port);
    process.env.UNMASK_REDIS_USERNAME = 'worker';
    process.env.UNMASK_REDIS_PASSWORD = 'WORKER_PASSWORD';
    const workers = ['tiny', 'other'].map((model) => startWorker(url, model));
    process.env.UNMASK_REDIS_USERNAME = 'trainer';
    process.env.UNMASK_REDIS_PASSWORD = 'TRAINER_PASSWORD';
    try {
      const names = async () =>
        ((await document(['workers', 'list', '--queue', url])).workers as { name: string }[]).map(({ name }) => name);
      for (let tries = 0; tries < 300 && (await names()).length < 2; tries++) await delay(100);
      assert.deepEqual(await names(), ['has-other', 'has-tiny']);
      const stop = new AbortController();
      const shared = watchEvents(/"workers\/has-tiny\/rollouts":(0\.5|1)[,}]/);
      const { code, stderr } = await unmask(
        [...tune, '--steps', '100000', ...rollouts, '--runs', 'watched', '--workers', url],
        {
          signal: stop.signal,
          // The worker needs a moment to join and to load its model.
          onProgress: (text) => {
            if (/cannot help/.test(text) && shared()) stop.abort(new Interrupted('stopped'));
          },
        },
      );
      assert.equal(code, 130, stderr);
      const warnings = [...stderr.matchAll(/^Warning: (.*)$/gm)].map(([, text]) => text);
      assert.equal(warnings.length, 1, stderr);
      assert.match(
        warnings[0]!,
        /^The worker has-other cannot help: \S+ needs the model \S*tiny \(\w+\), which this worker does not have;/,
      );
      for (const { stop } of workers) stop();
      const [tiny, other] = await Promise.all(workers.map(({ ended }) => ended));
      assert.match(tiny!.stdout, /^has-tiny generated [1-9]\d* groups/, tiny!.stderr);
      assert.match(other!.stdout, /^has-other generated 0 groups/, other!.stderr);
      assert.match(other!.stderr, /cannot serve \S+: \S+ needs the model/);
      assert.deepEqual([tiny!.code, other!.code], [0, 0]);
      assert.deepEqual(await names(), []);
    } finally {
      for (const { stop } of workers) stop();
    }
  });
});

/** Returns a function that says whether a step in the only run in `watched` has this text. Throws after two minutes. */
function watchEvents(text: RegExp): () => boolean {
  const begin = performance.now();
  return () => {
    const [run] = readdirSync('watched').filter((name) => !name.startsWith('.'));
    const events = path.join('watched', run ?? '', 'events.jsonl');
    const found = existsSync(events) && text.test(readFileSync(events, 'utf8'));
    assert.ok(found || performance.now() - begin < 120_000, 'the worker shares the work');
    return found;
  };
}

/** Creates the users of docs/scaling.md. */
async function createUsers(port: number): Promise<void> {
  const text = await readFile(path.join(import.meta.dirname, '..', '..', 'docs', 'scaling.md'), 'utf8');
  const users = [...text.matchAll(/^user (trainer|worker) (.*)$/gm)];
  assert.deepEqual(
    users.map(([, name]) => name),
    ['trainer', 'worker'],
  );
  const redis = new Redis({ port, password });
  for (const [, name, rights] of users) await redis.acl('SETUSER', name!, ...rights!.split(' '));
  redis.disconnect();
}

/** Starts a worker that has one model. */
function startWorker(url: string, model: string) {
  const args = ['--name', `has-${model}`, '--model', model, '--engine', 'onnx', '--device', 'cpu'];
  let stop = () => {};
  const ended = spawnUnmask(['worker', '--queue', url, ...args], (_, kill) => {
    stop = () => kill('SIGTERM');
  });
  return { ended, stop: () => stop() };
}
