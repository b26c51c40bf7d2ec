import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csv } from '../../src/evaluation/csv.ts';
import { parseRowFile } from '../../src/tasks/row-file.ts';

test('fields survive a round trip: commas, quotes, line breaks, white space, empty fields', () => {
  const texts = [
    'plain',
    'a,b',
    'say "no"',
    '"',
    'two\nlines',
    'two\r\nlines',
    ' room ',
    '',
    'ü\u2028',
    '\ud83d\ude00',
  ];
  const text = csv(
    ['number', 'text'],
    texts.map((value, index) => [index, value]),
  );
  const { rows } = parseRowFile(text, 'file.csv', (record) => record as { number: string; text: string });
  assert.deepEqual(
    rows.map(({ row }) => [row.number, row.text]),
    texts.map((value, index) => [String(index), value]),
  );
  assert.match(text, /^number,text\r\n0,plain\r\n1,"a,b"\r\n2,"say ""no"""\r\n/);
});

test('numbers, booleans and null are written literally', () => {
  assert.equal(csv(['a', 'b', 'c', 'd'], [[-1.5, true, null, 1e-9]]), 'a,b,c,d\r\n-1.5,true,,1e-9\r\n');
});

test('text that a spreadsheet would run as a formula is escaped, also in the header', () => {
  for (const text of [
    '=1+1',
    '+1',
    '-1',
    '@SUM(A1)',
    "=cmd|'/C calc'!A0",
    ' =1',
    '\t=1',
    '\r=1',
    '\n=1',
    '＝1',
    '|x',
  ]) {
    const written = csv([text], [[text]]);
    const { rows } = parseRowFile(written, 'file.csv', (record) => Object.values(record as object)[0] as string);
    assert.equal(rows[0]?.row, `'${text}`, JSON.stringify(text));
  }
  assert.equal(csv(['a'], [['1-2'], ['x=1']]), 'a\r\n1-2\r\nx=1\r\n');
});
