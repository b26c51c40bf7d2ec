import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Scheduler } from '../../src/runtime/scheduler.ts';

const never = new AbortController().signal;

it('a cancelled task that waits for its turn ends at once, and the turn of the next one comes', async () => {
  const scheduler = new Scheduler();
  let release = () => {};
  const running = scheduler.run('invoked', never, () => new Promise<void>((resolve) => (release = resolve)));
  const cancelled = new AbortController();
  const waiting = scheduler.run('invoked', cancelled.signal, async () => assert.fail('it was cancelled'));
  const next = scheduler.run('automatic', never, async () => 'done');
  cancelled.abort();
  await assert.rejects(waiting, { name: 'Cancelled' });
  await assert.rejects(
    scheduler.run('invoked', cancelled.signal, async () => assert.fail('it was cancelled before')),
    { name: 'Cancelled' },
  );
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  release();
  await running;
  assert.equal(await next, 'done');
});

it('a task that yields continues when all messages that have arrived are handled', async () => {
  const scheduler = new Scheduler();
  let handled = 0;
  const messages = 20;
  // As the connection does: one message in each turn of the event loop.
  const handleNext = () => {
    handled++;
    scheduler.messageArrived();
    if (handled < messages) globalThis.setImmediate(handleNext);
  };
  await scheduler.run('automatic', never, async (yieldToEventLoop) => {
    globalThis.setImmediate(handleNext);
    await yieldToEventLoop();
    assert.equal(handled, messages);
  });
});

it('a task that yields ends if one of the messages cancels it, and messages without end do not stop it', async () => {
  const scheduler = new Scheduler();
  const cancelled = new AbortController();
  const task = scheduler.run('automatic', cancelled.signal, async (yieldToEventLoop) => {
    globalThis.setImmediate(() => cancelled.abort());
    await yieldToEventLoop();
    assert.fail('it was cancelled');
  });
  await assert.rejects(task, { name: 'Cancelled' });
  const timer = setInterval(() => undefined, 1000);
  let flood: NodeJS.Immediate | undefined;
  const send = () => {
    scheduler.messageArrived();
    flood = globalThis.setImmediate(send);
  };
  send();
  await scheduler.run('automatic', never, (yieldToEventLoop) => yieldToEventLoop());
  clearImmediate(flood);
  clearInterval(timer);
});
