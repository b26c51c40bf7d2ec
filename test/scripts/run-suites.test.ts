import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { runSuites, selectJobs } from '../../scripts/testing/run-tests.ts';
import type { Suite } from '../../scripts/testing/suites.ts';

/** Suites of short jobs, and a record of which jobs ran at the same time, by the name of their suite. */
function suites(...wanted: readonly (Pick<Suite, 'name' | 'concurrency'> & { count: number; problem?: string })[]) {
  const running: string[] = [];
  const together: string[][] = [];
  const made = wanted.map(({ name, concurrency, count, problem }): Suite => {
    const run = async () => {
      running.push(name);
      together.push([...running]);
      await delay(5);
      running.splice(running.indexOf(name), 1);
      return { name, passed: 1, failed: 0, skipped: [], seconds: 0, details: '' };
    };
    const prepare = async () => {
      await delay(1);
      if (problem) throw new Error(problem);
    };
    return { name, concurrency, jobs: Array.from({ length: count }, () => ({ name, run })), prepare };
  });
  return { suites: made, together };
}

describe('suites', () => {
  it('run the jobs that a pattern selects, and some of them only if their suite is named', () => {
    const job = (name: string, onRequest = false) => ({ name, onRequest, run: () => Promise.reject(new Error(name)) });
    const jobs = [job('rounding 1: a'), job('rounding 2: a', true), job('rounding 2: b', true)];
    const suite: Suite = { name: 'rounding', concurrency: 1, jobs, prepare: async () => {} };
    const selected = (...patterns: string[]) => selectJobs(suite, patterns).map(({ name }) => name);
    assert.deepEqual(selected(), ['rounding 1: a']);
    assert.deepEqual(selected('a'), ['rounding 1: a']);
    assert.deepEqual(selected('rounding'), ['rounding 1: a', 'rounding 2: a', 'rounding 2: b']);
    assert.deepEqual(selected('rounding 2: a', 'c'), ['rounding 2: a']);
    assert.deepEqual(selected('b'), []);
  });

  it("run in parallel, two jobs at a time, within each suite's own limit", async () => {
    const { suites: all, together } = suites(
      { name: 'unit', concurrency: 2, count: 12 },
      { name: 'browser', concurrency: 1, count: 4 },
      { name: 'vscode', concurrency: 1, count: 4 },
    );
    const passed: string[] = [];
    await runSuites(all, '', ({ name }) => passed.push(name));
    assert.equal(passed.length, 20);
    assert.equal(Math.max(...together.map(({ length }) => length)), 2);
    for (const suite of ['browser', 'vscode'])
      assert.ok(together.every((names) => names.filter((name) => name === suite).length <= 1));
    assert.ok(together.some((names) => names.includes('unit') && names.includes('vscode')));
    assert.ok(together.some((names) => names[0] === 'unit' && names[1] === 'unit'));
  });

  it('fail if they cannot be prepared, while the others still run', async () => {
    const { suites: all } = suites(
      { name: 'sandbox', concurrency: 1, count: 3, problem: 'there is no bubblewrap' },
      { name: 'browser', concurrency: 1, count: 2 },
    );
    const reported: string[] = [];
    await runSuites(all, '', ({ name, failed, details }) => reported.push(`${name}: ${failed} ${details}`.trim()));
    assert.deepEqual(reported, ['sandbox suite: set-up: 1 there is no bubblewrap', 'browser: 0', 'browser: 0']);
  });
});
