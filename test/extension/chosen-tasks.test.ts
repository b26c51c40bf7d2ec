import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { partsOf, partText, tasksByFile, testCountText, writeChosen } from '../../src/extension/tests/chosen-tasks.ts';
import { contentDigest } from '../../src/platform/content-digest.ts';
import type { DiscoveryDocument, FoundTask } from '../../src/protocol/discovery.ts';
import { splitRows } from '../../src/tasks/split-rows.ts';
import type { WorkspaceRow } from '../../src/tasks/workspace/row.ts';
import { workspace } from '../../src/tasks/workspace/workspace.ts';
import { functionKeys } from '../../src/workspace/content-keys.ts';

const row: WorkspaceRow = {
  ...{ workspace: '/w', snapshot: '0'.repeat(32), command: null, file: 'a.ts', function: 'f', line: 1 },
  ...{ language: 'typescript', prefix: '{', body: '', suffix: '}', guards: [] },
};

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
  it('are grouped by file, in reading order', () => {
    assert.deepEqual(
      [...tasksByFile(found)],
      [
        ['a.ts', [1]],
        ['b.ts', [2, 0]],
      ],
    );
  });

  it('are split as in a run on the chosen ones', () => {
    const rows = Array.from({ length: 40 }, (_, index) => ({ ...row, function: `f${index}`, body: ` ${index}; ` }));
    // A copy of another function in another file, which must stay in the same part.
    rows.push({ ...rows[7]!, file: 'copy.ts' });
    const tasks = rows.map((one) => ({ ...task(one.file, 1), keys: functionKeys(one).map(contentDigest) }));
    for (const chosen of [rows.map((_, place) => place), [40, 3, 7, 12, 30, 21, 9], [5, 6, 8], [5], []]) {
      const shown = partsOf({ tasks }, chosen);
      const { parts } = splitRows(
        workspace,
        chosen.map((place) => rows[place]!),
        'tasks.jsonl',
      );
      for (const part of ['training', 'validation', 'test'] as const)
        assert.deepEqual(
          chosen.filter((place) => shown.get(place) === part).map((place) => rows[place]),
          parts[part],
        );
    }
    assert.deepEqual((['training', 'validation', 'test', undefined] as const).map(partText), [
      '',
      ' · held out for validation',
      ' · held out for testing',
      '',
    ]);
  });

  it('report how many tests cover them', () => {
    assert.equal(testCountText(task('a', 1)), '1 test');
    assert.equal(
      testCountText(task('a', 1, { 'a.test.ts': ['one', 'two'], 'b.test.ts': ['three'] })),
      '3 tests in 2 files',
    );
  });

  it('are written as rows to a file whose name depends on the choice', async () => {
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
