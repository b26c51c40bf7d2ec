import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import { parseRowFile, readRowFile } from '../../src/tasks/row-file.ts';
import { sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';

const same = (record: unknown): unknown => record;
const read = (text: string, name = 'data'): unknown =>
  parseRowFile(text, name, same).rows.map(({ line, row }) => [line, row]);

describe('parseRowFile', () => {
  it('reads JSON lines, a JSON array and CSV', () => {
    assert.deepEqual(read('{"a":1}\n{"a":2}\n'), [
      [1, { a: 1 }],
      [2, { a: 2 }],
    ]);
    assert.deepEqual(read('\n{"a":1}\r\n\r\n{"a":2}\r\n\n'), [
      [2, { a: 1 }],
      [4, { a: 2 }],
    ]);
    assert.deepEqual(read('\uFEFF{"a":1}'), [[1, { a: 1 }]]);
    assert.deepEqual(read('[{"a":1},\n 2]'), [
      [1, { a: 1 }],
      [2, 2],
    ]);
    assert.deepEqual(read('\uFEFFPuzzle,Solution\r\n01,02\r\n\r\n03,04'), [
      [2, { puzzle: '01', solution: '02' }],
      [4, { puzzle: '03', solution: '04' }],
    ]);
  });

  it('reads quoted CSV fields', () => {
    assert.deepEqual(read('a,b\n"1,2","say ""so"""\n"two\nlines",\n,x\n'), [
      [2, { a: '1,2', b: 'say "so"' }],
      [3, { a: 'two\nlines', b: '' }],
      [5, { a: '', b: 'x' }],
    ]);
    assert.deepEqual(read('a\n1\n'), [[2, { a: '1' }]]);
    assert.deepEqual(read('a,b\n1,'), [[2, { a: '1', b: '' }]]);
  });

  it('reports the file and line of an invalid row', () => {
    const fails = (text: string, message: RegExp, name = 'data.x'): void => {
      assert.throws(
        () => parseRowFile(text, name, (record) => sudoku4x4.parse(record)),
        (error) => error instanceof UserError && message.test(error.message),
        text,
      );
    };
    const good = '{"puzzle":"0310200404001043"}';
    fails(`${good}\n{"puzzle":`, /^data\.x, line 2: is not valid JSON/);
    fails(`${good}\n\n5\n`, /^data\.x, line 3: /);
    fails(`${good}\n{"puzzle":"9"}`, /^data\.x, line 2: puzzle: /);
    fails(`[${good},{}]`, /^data\.x, item 2: puzzle: /);
    fails(`[${good}`, /^data\.x begins as a JSON array/);
    fails('Puzzle,Solution\n0310200404001043\n', /line 2: has 1 fields where the header has 2/);
    fails('Puzzle\n"0310200404001043\n', /line 2: has a quote/);
    fails('Puzzle\n0310"200404001043\n', /line 2: has a quote/);
    fails('not json\n', /line 1: is not valid JSON/, 'data.jsonl');
    fails('', /^data\.x is empty/);
    fails(' \n\n', /is empty/);
    fails('\uFEFF', /is empty/);
    fails('[]', /has no rows/);
    fails('Puzzle,Solution\n', /has no rows/);
  });

  it('skips invalid rows on request', () => {
    const good = { puzzle: '0310200404001043' };
    const text = `${JSON.stringify(good)}\nnonsense\n${JSON.stringify(good)}\n{"puzzle":7777}\n`;
    const { rows, broken } = parseRowFile(text, 'data.jsonl', (record) => sudoku4x4.parse(record), {
      skipBroken: true,
    });
    assert.deepEqual(rows, [
      { line: 1, row: good },
      { line: 3, row: good },
    ]);
    assert.deepEqual(
      broken.map(({ line }) => line),
      [2, 4],
    );
    const csv = parseRowFile(
      'puzzle\n0310200404001043\n"open\n1,2\n0310200404001043\n',
      'd.csv',
      (record) => sudoku4x4.parse(record),
      { skipBroken: true },
    );
    assert.deepEqual(
      csv.rows.map(({ line }) => line),
      [2, 5],
    );
    assert.deepEqual(
      csv.broken.map(({ line }) => line),
      [3, 4],
    );
  });

  it('does not treat an exception in the row parser as an invalid row', () => {
    const defect = (): never => {
      throw new TypeError('a defect');
    };
    assert.throws(() => parseRowFile('{}', 'x', defect, { skipBroken: true }), TypeError);
  });

  it('reads very long lines', () => {
    const long = 'x'.repeat(5_000_000);
    assert.equal((parseRowFile(`${JSON.stringify({ long })}\n`, 'x', same).rows[0].row as { long: string }).long, long);
    assert.equal((parseRowFile(`long\n"${long}"\n`, 'x', same).rows[0].row as { long: string }).long, long);
    assert.throws(() => parseRowFile(`long\n"${long}\n`, 'x', same), UserError);
    assert.throws(() => parseRowFile(`long\n${'"'.repeat(200_001)}\n`, 'x', same), UserError);
  });

  it('reads files from disk, and reports a missing one', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-rows-'));
    try {
      const file = path.join(folder, 'rows.csv');
      await writeFile(file, 'Puzzle,Solution\n0310200404001043,4312213434211243\n');
      const { rows } = await readRowFile(file, (record) => sudoku4x4.parse(record));
      assert.deepEqual(rows, [{ line: 2, row: { puzzle: '0310200404001043', solution: '4312213434211243' } }]);
      await assert.rejects(readRowFile(path.join(folder, 'none.csv'), same), UserError);
      await assert.rejects(readRowFile(folder, same), UserError);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
