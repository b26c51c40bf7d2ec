import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fitText, memorySize, suggestionTimeText } from '../../src/platform/amounts.ts';
import { progressLine, readProgressLine } from '../../src/platform/download-progress.ts';

it('formats memory sizes, and whether a model fits', () => {
  assert.deepEqual([1, 2 ** 30 - 1, 2 ** 30, 25e9].map(memorySize), ['1 MiB', '1024 MiB', '1.0 GiB', '23.3 GiB']);
  assert.equal(fitText({ needed: 2 ** 31, available: 2 ** 34 }), 'needs about 2.0 GiB (16.0 GiB available)');
  assert.equal(
    fitText({ needed: 2 ** 35, available: 2 ** 34 }),
    'too large: needs about 32.0 GiB (16.0 GiB available)',
  );
  assert.equal(fitText({ needed: null, available: 2 ** 34 }), 'memory need unknown (16.0 GiB available)');
});

it('formats the time of a suggestion', () => {
  assert.deepEqual(
    [4.2, 87, 642, 994.9, 999, 1250, 9940, 52_300].map((time) => suggestionTimeText(time).slice(6, -20)),
    ['4 ms', '90 ms', '640 ms', '990 ms', '1.0 s', '1.3 s', '9.9 s', '52 s'],
  );
});

it('formats download progress as a line that can be parsed', () => {
  const line = progressLine({ done: 1.2e9, total: 3.2e9, rate: 4e7, file: 'model.safetensors' });
  assert.equal(line, '37 % of 3.2 GB, 40 MB/s, 50 s left: model.safetensors');
  assert.deepEqual(readProgressLine(line), { percent: 37, message: line });
  const first = progressLine({ done: 0, total: 3.2e9, rate: null, file: 'config.json' });
  assert.equal(first, '0 % of 3.2 GB: config.json');
  assert.deepEqual(readProgressLine(first), { percent: 0, message: first });
  for (const other of ['tiny-org/x at abc: 37 MB', '37 % of nothing', '', 'Error: 5 % of 3 GB: x'])
    assert.equal(readProgressLine(other), null, other);
});
