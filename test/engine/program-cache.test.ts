import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import { ProgramCache } from '../../src/engine/program-cache.ts';
import { input } from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';

const program = () => defineProgram('test', { outputs: { x: input('x', [1]) } });

/** A cache whose engine fails a set number of times, and the number of its programs. */
function cache() {
  const seen = { failures: 0, compiled: 0, disposed: 0 };
  const compile: Engine['compile'] = async () => {
    if (seen.failures-- > 0) throw new Error('out of memory');
    seen.compiled++;
    return { run: async () => ({}), dispose: async () => void seen.disposed++ };
  };
  return { programs: new ProgramCache({ compile } as Engine), seen };
}

it('compiles a program once, evicts the oldest one, and frees all of them at the end', async () => {
  const { programs, seen } = cache();
  for (let turn = 0; turn < 100; turn++) await programs.get(`${turn % 40}`, program);
  assert.deepEqual([seen.compiled, seen.disposed], [40, 0]);
  for (let turn = 40; turn < 60; turn++) await programs.get(`${turn}`, program);
  assert.ok(seen.disposed > 0 && seen.disposed < 20, `${seen.disposed}`);
  await programs.dispose();
  assert.deepEqual([seen.compiled, seen.disposed], [60, 60]);
});

it('retries a failed compilation, and does not report the failure to other callers', async () => {
  const { programs, seen } = cache();
  seen.failures = 1;
  await assert.rejects(programs.get('a', program), /out of memory/);
  const again = await programs.get('a', program);
  assert.equal(await programs.get('a', program), again);
  assert.equal(seen.compiled, 1);
  // Eviction also handles a program whose compilation is about to fail.
  seen.failures = 1;
  const failing = assert.rejects(programs.get('b', program), /out of memory/);
  await programs.dispose();
  await failing;
  for (let turn = 0; turn < 60; turn++) await programs.get(`${turn}`, program);
  await programs.dispose();
  assert.deepEqual([seen.compiled, seen.disposed], [61, 61]);
});
