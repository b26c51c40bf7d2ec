import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Redis } from 'ioredis';
import { Random } from '../../src/platform/random.ts';
import { fromMessage, toMessage } from '../../src/workers/canvas-message.ts';
import { readMessage, resultSchema, rolloutJobSchema, runKeys, writeMessage } from '../../src/workers/messages.ts';
import { fetchPolicy, policyBytes, publishPolicy, removePolicy, weightsOf } from '../../src/workers/policy.ts';
import { findRedis, RedisServer } from './redis-server.ts';

const canvas = {
  tokens: Int32Array.of(3, 0, 7),
  revealedAt: Int32Array.of(1, -1, 0),
  confidence: Float32Array.of(0.1, Number.NaN, -0),
  entropy: Float32Array.of(1e-45, Number.POSITIVE_INFINITY, 3),
  forwards: 2,
  overwritten: [{ position: 1, token: 4, revealedAt: 1, entropy: -0 }],
};
const id = 'a'.repeat(64);
const result = (...canvases: object[]) => ({
  ...{ kind: 'rollouts', id, worker: 'w', machine: 'm', seconds: 1, tokens: 9 },
  canvases,
});

describe('messages', () => {
  it('keep the numbers of a canvas to the bit', () => {
    const read = readMessage(resultSchema, writeMessage(result(toMessage(canvas))));
    assert.equal(read.kind, 'rollouts');
    assert.deepEqual(
      fromMessage((read as ReturnType<typeof result> & { canvases: never[] }).canvases[0]!, 3, 8),
      canvas,
    );
  });

  it('with a canvas that does not fit its job are refused', () => {
    assert.throws(() => fromMessage(toMessage(canvas), 4, 8), /has 3 numbers instead of 4/);
    assert.throws(() => fromMessage(toMessage(canvas), 3, 7), /a token that the model does not have/);
  });

  it('that are damaged, too long or of another shape are refused in one sentence', () => {
    const job = { kind: 'rollouts', run: 'b'.repeat(16), step: 1, task: 't', prompt: 'p', suffix: '', policy: id };
    const whole = {
      ...job,
      seeds: [1],
      decoding: { order: 'random', length: 4, block: 4, steps: 4, threshold: 0.9, temperature: 1 },
    };
    assert.deepEqual(readMessage(rolloutJobSchema, writeMessage(whole)), whole);
    for (const [message, why] of [
      ['{"kind":', /not valid JSON/],
      [writeMessage({ ...whole, seeds: [] }), /dropped because seeds must have at least 1 entry\./],
      [writeMessage({ ...whole, seeds: Array(1025).fill(1) }), /seeds must have at most 1024 entries\./],
      [writeMessage({ ...whole, command: 'rm' }), /dropped because it has the unknown field command\./],
      [
        writeMessage({ ...whole, decoding: { ...whole.decoding, length: 1e9 } }),
        /decoding\.length must be at most 65536/,
      ],
      [writeMessage({ ...whole, prompt: 'x'.repeat(2 ** 22 + 1) }), /prompt must have at most/],
      [' '.repeat(2 ** 26 + 1), /is longer than/],
    ] as const)
      assert.throws(() => readMessage(rolloutJobSchema, message), why);
    assert.throws(() => readMessage(resultSchema, writeMessage(result())), /canvases must have at least 1 entry/);
  });
});

describe('a policy', () => {
  let server: RedisServer | undefined;
  let redis: Redis;
  before(async () => {
    const program = await findRedis();
    if (typeof program === 'string') return;
    server = await RedisServer.start(program);
    redis = new Redis(server.port);
  });
  after(async () => {
    redis?.disconnect();
    await server?.close();
  });

  const random = new Random(1, 'policy');
  const shapes = new Map([
    ['big', [3, 2 ** 20]],
    ['small', [5]],
  ]);
  const weights = new Map(
    [...shapes].map(([name, shape]) => {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.uniform());
      return [name, { shape, data }];
    }),
  );
  const run = 'c'.repeat(16);
  const about = { run, incarnation: 'i', version: 3, kind: 'full', base: 'd' } as const;

  it('travels in chunks, which are stored once and checked', async (test) => {
    if (!server) return test.skip('there is no Redis');
    const policy = policyBytes(weights);
    await publishPolicy(redis, policy, about);
    assert.deepEqual(weightsOf(await fetchPolicy(redis, run, policy.digest), shapes), weights);
    const changed = policyBytes(new Map([...weights, ['small', { shape: [5], data: new Float32Array(5) }]]));
    await publishPolicy(redis, changed, about);
    const chunks = () => redis.keys(runKeys(run).chunk('*'));
    assert.equal((await chunks()).length, 3, 'the first 8 MiB are the same');
    await removePolicy(redis, run, policy.digest, [changed.digest]);
    assert.equal((await chunks()).length, 2);
    await assert.rejects(fetchPolicy(redis, run, policy.digest), /no longer on the server/);
    const [chunk] = await chunks();
    await redis.setrange(chunk!, 100, 'damage');
    await assert.rejects(fetchPolicy(redis, run, changed.digest), /is damaged/);
    await redis.del(chunk!);
    await assert.rejects(fetchPolicy(redis, run, changed.digest), /no longer on the server/);
  });

  it('of another model is refused', () => {
    assert.throws(() => weightsOf(new Uint8Array(8), shapes), /belongs to another model/);
  });
});
