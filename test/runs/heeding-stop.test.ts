import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { withCancellation } from '../../src/runs/cancellation.ts';
import { requestControl } from '../../src/runs/control.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

/** Work that never ends by itself. */
const endless = async (checkCancelled: () => void): Promise<never> => {
  for (;;) {
    checkCancelled();
    await delay(5);
  }
};

test('long work between two steps ends when somebody wants its run to stop', async () => {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  const step = 3;
  assert.equal(await withCancellation(run, { step, signal: undefined }, async () => 7), 7);
  await assert.rejects(withCancellation(run, { step, signal: AbortSignal.timeout(20) }, endless), {
    name: 'Interrupted',
  });
  await requestControl(run.dir, 'pause');
  const working = withCancellation(run, { step, signal: undefined }, endless);
  working.catch(() => undefined);
  await delay(50);
  await requestControl(run.dir, 'stop');
  await assert.rejects(working, { name: 'Interrupted', message: /^Stopped after step 3; .*goes on from there/ });
  assert.equal(await run.wish(), 'stop', 'whoever asks next hears of it too');
  await run.close('interrupted');
});
