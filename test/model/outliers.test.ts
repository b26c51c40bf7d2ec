import assert from 'node:assert/strict';
import { test } from 'node:test';
import { outlierOf, outlierRatio } from '../../src/model/outliers.ts';
import { Random } from '../../src/platform/random.ts';

const normal = (count: number) => {
  const random = new Random(1, 'outliers');
  return Float32Array.from({ length: count }, () => random.normal());
};

test('one or a few weights that are far larger than the others are outliers', () => {
  for (const [count, outliers] of [
    [1000, [7]],
    [100_000, [3, 500, 90_000]],
  ] as const) {
    const data = normal(count);
    assert.ok(outlierOf({ data }) < 10);
    for (const index of outliers) data[index] = 2e4 * (index % 2 ? 1 : -1);
    const ratio = outlierOf({ data });
    assert.ok(ratio > outlierRatio && ratio < 3e4, `${ratio}`);
  }
});

test('a small tensor, one of zeros, and one of which only some rows were trained have none', () => {
  assert.equal(outlierOf({ data: new Float32Array(4) }), 0);
  assert.ok(outlierOf({ data: Float32Array.from([1, -1, 1, -100]) }) > 50);
  const rows = normal(10_000).map((value, index) => (index < 9_000 ? 1e-9 * value : value));
  assert.ok(outlierOf({ data: rows }) < outlierRatio);
});
