import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { defaultLimits } from '../../src/sandbox/limits.ts';
import { treeCpuSeconds } from '../../src/sandbox/process-tree.ts';
import { mayGoOn, supervise } from '../../src/sandbox/supervise.ts';

const limits = { ...defaultLimits, seconds: 10, cpuSeconds: 5 };

it('CPU seconds, and not the clock, end a program that computes on a busy machine', () => {
  // A right program that needs 4 s of CPU time, on a machine that gives it a third of a core.
  for (const elapsed of [10, 10.5, 11.9]) assert.equal(mayGoOn(elapsed, elapsed / 3, limits), true);
  assert.equal(mayGoOn(15, 5, limits), false, 'it has had its CPU time');
  assert.equal(mayGoOn(10, 0.3, limits), false, 'it sleeps');
  assert.equal(mayGoOn(40, 4, limits), false, 'it ends at some time on any machine');
  assert.equal(mayGoOn(10, null, limits), false, 'without measurements, the clock decides');
});

it('a program that sleeps is ended by the clock', async () => {
  const run = await supervise({
    program: process.execPath,
    args: ['-e', 'setTimeout(() => {}, 60_000)'],
    environment: {},
    input: '',
    descriptors: [],
    limits: { ...limits, seconds: 0.5, cpuSeconds: 0.01 },
    checkLimits: async () => null,
  });
  assert.equal(run.broken, 'time');
});

it('the CPU time of a tree includes children', {
  skip: process.platform !== 'linux' && 'only Linux tells',
}, async () => {
  const child = spawn('/bin/sh', ['-c', `'${process.execPath}' -e 'for (;;);'; exit 0`], { detached: true });
  try {
    while (((await treeCpuSeconds(child.pid as number)) ?? 0) < 0.3) await delay(20);
  } finally {
    process.kill(-(child.pid as number), 'SIGKILL');
  }
  assert.equal(await treeCpuSeconds(2 ** 30), 0, 'a tree that has ended uses nothing');
});
