import assert from 'node:assert/strict';
import { it } from 'node:test';
import { WatchedDownload } from '../../src/catalogue/watch-download.ts';

it('reports a line per second, with the network speed over the last ten seconds', () => {
  const lines: string[] = [];
  let now = 0;
  const watched = new WatchedDownload(
    100e6,
    (line) => lines.push(line),
    () => now,
  );
  watched.add(50e6, false, 'there');
  for (; now < 3000; now += 250) watched.add(1e6, true, 'model');
  assert.deepEqual(lines, [
    '50 % of 100 MB: there',
    '55 % of 100 MB: model',
    '59 % of 100 MB, 4.5 MB/s, 9 s left: model',
  ]);
  // Restarting a file subtracts its earlier bytes, and the end is always reported.
  watched.add(-50e6, false, 'there');
  now += 60_000;
  watched.add(88e6, false, 'rest');
  assert.equal(lines.at(-1), '100 % of 100 MB: rest');
});
