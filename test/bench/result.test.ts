import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { oneThread, parseDescription, threadSettings } from '../../bench/pytorch-peer.ts';
import { benchResult, table } from '../../bench/result.ts';

describe('a bench result', () => {
  it('is better than the peer above a ratio of 1, whatever the unit', () => {
    const faster = benchResult({ name: 'forward', unit: 'tokens/s', value: 300, peer: 'P', peerValue: 200, target: 1 });
    assert.deepEqual(faster, {
      name: 'forward',
      value: 300,
      unit: 'tokens/s',
      peer: 'P',
      peer_value: 200,
      ratio: 1.5,
      target: 1,
      met: true,
    });
    const heavier = benchResult({ name: 'memory', unit: 'MiB', value: 300, peer: 'P', peerValue: 200, target: 1 });
    assert.deepEqual([heavier.ratio, heavier.met], [0.667, false]);
    assert.equal(benchResult({ name: 'start-up', unit: 's', value: 2, peerValue: 1 }).ratio, 0.5);
  });

  it('is compared with its target by the unrounded ratio', () => {
    const nearly = benchResult({ name: 'forward', unit: 'tokens/s', value: 0.99999, peerValue: 1, target: 1 });
    assert.deepEqual([nearly.ratio, nearly.met], [1, false]);
  });

  it('without a peer contains the reason instead, and no pass or fail', () => {
    const alone = benchResult({ name: 'forward', unit: 'tokens/s', value: 12.345678, peer: 'not there', target: 1 });
    assert.deepEqual(alone, { name: 'forward', value: 12.346, unit: 'tokens/s', peer: 'not there', target: 1 });
  });

  it('is formatted as a row of the table', () => {
    const rows = table([
      benchResult({ name: 'forward', unit: 'tokens/s', value: 12345, peer: 'P', peerValue: 5000, target: 2.5 }),
      benchResult({ name: 'matmul', unit: 'GFLOP/s', value: 123, peer: 'none here' }),
    ]);
    assert.equal(rows.length, 3);
    assert.match(rows[1]!, /^forward +12,345 tokens\/s +5,000 tokens\/s +2\.47 +2\.5 missed +P$/);
    assert.match(rows[2]!, /^matmul +123 GFLOP\/s +none here$/);
  });
});

describe('the peer', () => {
  it('is tried with every sensible thread setting', () => {
    assert.deepEqual(threadSettings(1, '/lib'), [oneThread]);
    const settings = threadSettings(4, '/lib');
    assert.deepEqual(
      settings.map(({ env }) => [env.OMP_NUM_THREADS, env.OPENBLAS_NUM_THREADS]),
      [
        ['1', '1'],
        ['4', '1'],
        ['1', '4'],
        ['4', '4'],
        ['4', '4'],
      ],
    );
    assert.equal(settings.at(-1)?.env.LD_LIBRARY_PATH, '/lib');
    assert.equal(threadSettings(4, null).length, 4);
  });

  it('is identified by the last line it prints, whatever a library prints before', () => {
    assert.deepEqual(parseDescription('a warning\n{"version":"2.1","blas":"libopenblas"}\n'), {
      version: '2.1',
      blas: 'libopenblas',
    });
    assert.equal(parseDescription('Python 3'), null);
    assert.equal(parseDescription('{"version":2}'), null);
    assert.equal(parseDescription(''), null);
  });
});
