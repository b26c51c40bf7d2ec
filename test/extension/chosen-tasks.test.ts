import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { heldOutTasks, tasksByFile, testCountText, writeChosen } from '../../src/extension/tests/chosen-tasks.ts';
import type { DiscoveryDocument, FoundTask } from '../../src/protocol/discovery.ts';

const task = (file: string, line: number, tests: FoundTask['tests'] = { 'a.test.ts': ['one'] }): FoundTask => ({
  file,
  function: `f${line}`,
  line,
  heldOut: false,
  tests,
});

let dir: string;
let found: DiscoveryDocument;
before(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'unmask-chosen-'));
  const tasks = [task('b.ts', 9), task('a.ts', 5), task('b.ts', 2)];
  const data = path.join(dir, 'tasks.jsonl');
  await writeFile(data, tasks.map(({ line }) => `{"line":${line}}\n`).join(''));
  const counts = { tests: 1, functions: 3, runs: 1, seconds: 1 };
  found = { run: 'r', dir, workspace: '/w', runner: 'node:test', tasks, leftOut: [], data, heldOut: '', ...counts };
});
after(() => rm(dir, { recursive: true }));

describe('the tasks of a workspace', () => {
  it('stand by file, in the order in which people read them', () => {
    assert.deepEqual(
      [...tasksByFile(found)],
      [
        ['a.ts', [1]],
        ['b.ts', [2, 0]],
      ],
    );
  });

  it('have every eighth of the chosen ones held out, in the order of the file', () => {
    assert.deepEqual([...heldOutTasks([2, 1])], [1]);
    assert.deepEqual([...heldOutTasks([19, 3, 4, 5, 6, 7, 8, 9, 10])], [3, 19]);
    assert.deepEqual([...heldOutTasks([])], []);
  });

  it('say how many tests guard them', () => {
    assert.equal(testCountText(task('a', 1)), '1 test');
    assert.equal(
      testCountText(task('a', 1, { 'a.test.ts': ['one', 'two'], 'b.test.ts': ['three'] })),
      '3 tests in 2 files',
    );
  });

  it('are written as the rows that were chosen, into a file that is named after them', async () => {
    assert.equal(await writeChosen(found, [0, 1, 2]), found.data);
    const file = await writeChosen(found, [2, 0]);
    assert.equal(await readFile(file, 'utf8'), '{"line":9}\n{"line":2}\n');
    assert.equal(await writeChosen(found, [0, 2]), file);
    assert.notEqual(await writeChosen(found, [0]), file);
    await assert.rejects(
      writeChosen({ ...found, data: path.join(dir, 'gone.jsonl') }, [0]),
      /were deleted \(.*\)\. Run Unmask: Find Functions Covered by Tests again\.$/,
    );
  });
});
