import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { UserError } from '../../src/platform/errors.ts';
import type { ResultMessage } from '../../src/workers/messages.ts';
import { type SharedJob, SharedWork } from '../../src/workers/shared-work.ts';

/** A queue in memory: a worker takes from the beginning, and a taken job is not given back. */
class Queue {
  readonly waiting: string[] = [];
  readonly taken = new Set<string>();

  async add(messages: readonly { readonly id?: string }[]) {
    for (const { id } of messages) this.waiting.push(id!);
  }

  async takeBack(id: string) {
    if (this.taken.has(id)) return false;
    const index = this.waiting.indexOf(id);
    if (index >= 0) this.waiting.splice(index, 1);
    return true;
  }

  take(): string {
    const id = this.waiting.shift()!;
    this.taken.add(id);
    return id;
  }
}

const names = ['a', 'b', 'c', 'd'];
const never = new AbortController().signal;
/** A result whose seconds say which it is. */
const resultOf = (id: string, worker = 'w1', seconds = 0.01) =>
  ({ kind: 'rewards', id, worker, machine: 'm', seconds, rewards: [] }) as ResultMessage;

function sharing(computeHere: (id: string, stop: AbortSignal) => Promise<string>) {
  const queue = new Queue();
  const failures: unknown[] = [];
  const known = new Map<string, ResultMessage>();
  const work = new SharedWork<string>({
    ...{ queue, concurrency: 1 },
    known: (id) => known.get(id),
    onFailure: (error) => failures.push(error),
  });
  const jobs = names.map(
    (id): SharedJob<string> => ({
      ...{ id, message: id },
      computeHere: (stop) => computeHere(id, stop),
      read: (result) => {
        if (result.machine === 'bad') throw new UserError('It does not fit.');
        return `${result.worker} ${id}`;
      },
    }),
  );
  return { queue, work, jobs, known, failures };
}

const keep = async () => undefined;

describe('shared work', () => {
  it('is computed here from the end, while workers take it from the beginning', async () => {
    const { queue, work, jobs } = sharing(async (id) => {
      if (id === 'd') {
        queue.take();
        await work.accept(resultOf(queue.take()), keep);
      }
      if (id === 'c') await work.accept(resultOf('a', 'w2'), keep);
      return `here ${id}`;
    });
    assert.deepEqual(await Promise.all(work.share(jobs, never)), ['w2 a', 'w1 b', 'here c', 'here d']);
    assert.deepEqual(Object.fromEntries(work.takeShares().jobs), { w1: 1, w2: 1, here: 2 });
    assert.deepEqual(Object.fromEntries(work.takeShares().jobs), {});
  });

  it('takes the results that arrived before the step in which it was offered, and computes none of its jobs until then', async () => {
    const { queue, work, jobs } = sharing(async (id) => `here ${id}`);
    await work.offer(jobs);
    assert.deepEqual(queue.waiting, names);
    assert.equal(await work.accept(resultOf(queue.take()), keep), true);
    assert.equal(await work.accept(resultOf('a', 'w2'), keep), false, 'a repeated result');
    await assert.rejects(work.accept({ ...resultOf('b'), machine: 'bad' }, keep), /does not fit/);
    assert.deepEqual(await Promise.all(work.share(jobs, never)), ['w1 a', 'here b', 'here c', 'here d']);
    assert.equal(await work.accept(resultOf('b'), keep), false, 'its step is over');
  });

  it('is computed here if the server does not answer', async () => {
    const { queue, work, jobs, failures } = sharing(async (id) => `here ${id}`);
    queue.add = async () => Promise.reject(new Error('gone'));
    queue.takeBack = async () => Promise.reject(new Error('gone'));
    assert.deepEqual(
      await Promise.all(work.share(jobs, never)),
      names.map((id) => `here ${id}`),
    );
    assert.ok(failures.length > 0);
  });

  it('uses the first result; later, foreign and unsuitable ones change nothing', async () => {
    const { work, jobs } = sharing(async (id) => {
      if (id === 'd') {
        assert.equal(await work.accept(resultOf('c', 'w1'), keep), true);
        assert.equal(await work.accept(resultOf('c', 'w2'), keep), false);
        assert.equal(await work.accept(resultOf('z'), keep), false);
        await assert.rejects(work.accept({ ...resultOf('b'), machine: 'bad' }, keep), /does not fit/);
        // A result that cannot be written is not used.
        await assert.rejects(
          work.accept(resultOf('b'), async () => Promise.reject(new UserError('The disk is full.'))),
          /disk is full/,
        );
      }
      return `here ${id}`;
    });
    assert.deepEqual(await Promise.all(work.share(jobs, never)), ['here a', 'here b', 'w1 c', 'here d']);
    assert.equal(await work.accept(resultOf('a'), keep), false);
  });

  it('computes what a dead worker holds, and stops if the worker answers after all', async () => {
    let stopped = '';
    const { queue, work, jobs } = sharing(async (id, stop) => {
      if (id !== 'a' && id !== 'b') return `here ${id}`;
      if (id === 'a') return 'here a';
      // The worker that holds b was only slow.
      const waits = delay(10_000, undefined, { signal: stop });
      await work.accept(resultOf('b'), keep);
      await waits.catch((error: Error) => {
        stopped = id;
        throw error;
      });
      return 'not reached';
    });
    const results = work.share(jobs, never);
    queue.take();
    queue.take();
    assert.deepEqual(await Promise.all(results), ['here a', 'w1 b', 'here c', 'here d']);
    assert.equal(stopped, 'b');
  });

  it('uses results that are known already', async () => {
    const computed: string[] = [];
    const { work, jobs, known } = sharing(async (id) => {
      computed.push(id);
      return `here ${id}`;
    });
    known.set('b', resultOf('b', 'w9'));
    known.set('c', { ...resultOf('c'), machine: 'bad' });
    assert.deepEqual(await Promise.all(work.share(jobs, never)), ['here a', 'w9 b', 'here c', 'here d']);
    assert.deepEqual(computed, ['d', 'c', 'a']);
  });

  it('rejects with the error of this process, and when it is stopped', async () => {
    const failing = sharing(async () => Promise.reject(new Error('out of memory')));
    for (const result of await Promise.allSettled(failing.work.share(failing.jobs, never)))
      assert.match(`${(result as PromiseRejectedResult).reason}`, /out of memory/);
    const stop = new AbortController();
    const stopped = sharing((_, signal) => delay(10_000, 'late', { signal }));
    const results = stopped.work.share(stopped.jobs, stop.signal);
    setTimeout(() => stop.abort(new UserError('stopped')), 20);
    for (const result of await Promise.allSettled(results))
      assert.match(`${(result as PromiseRejectedResult).reason}`, /stopped/);
    // The same jobs can be shared again.
    assert.equal(await stopped.work.accept(resultOf('a'), keep), false);
  });
});
