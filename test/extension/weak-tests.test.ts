import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { weakFunctions } from '../../src/extension/tests/weak-tests.ts';
import type { DryRunFunction, FoundTask } from '../../src/protocol/discovery.ts';

const task = (file: string, name: string): FoundTask => ({ file, function: name, line: 1, heldOut: false, tests: {} });
const result = (file: string, name: string, line: number, tried: number, caught: number): DryRunFunction => ({
  file,
  function: name,
  line,
  outcome: 'scored',
  reason: null,
  tests: [],
  strength: {
    tried,
    caught,
    survivors: Array.from({ length: tried - caught }, (_, index) => ({ line: line + index, description: `+ to -` })),
  },
  seconds: 1,
});
const names = (weak: ReturnType<typeof weakFunctions>) => weak.map((one) => one.function);

describe('weak tests', () => {
  const tasks = [task('a.ts', 'sum'), task('a.ts', 'mean'), task('b.ts', 'max')];

  it('notice fewer than half of the changes; functions without changes say nothing', () => {
    const weak = weakFunctions(
      [],
      [result('b.ts', 'max', 3, 8, 3), result('a.ts', 'mean', 9, 8, 4), result('a.ts', 'sum', 1, 0, 0)],
      tasks,
    );
    assert.deepEqual(names(weak), ['max']);
    assert.equal(weak[0]!.strength.survivors.length, 5);
  });

  it('stay until the next dry run of their function, or until the function is gone', () => {
    const before = weakFunctions([], [result('b.ts', 'max', 3, 8, 0), result('a.ts', 'sum', 1, 8, 0)], tasks);
    assert.deepEqual(names(before), ['sum', 'max']);
    assert.deepEqual(names(weakFunctions(before, [result('b.ts', 'max', 3, 8, 8)], tasks)), ['sum']);
    assert.deepEqual(names(weakFunctions(before, [], tasks.slice(1))), ['max']);
  });
});
