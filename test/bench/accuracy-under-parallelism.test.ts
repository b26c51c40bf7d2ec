import assert from 'node:assert/strict';
import { it } from 'node:test';
import { accuracyUnderParallelism as aup } from '../../bench/accuracy-under-parallelism.ts';

const at = (tokensPerForward: number, accuracy: number) => ({ tokensPerForward, accuracy });
const near = (found: number, expected: number) => assert.ok(Math.abs(found - expected) < 1e-9, `${found}`);

it('AUP of one point is its product; a point twice, or in another order, changes nothing', () => {
  assert.equal(aup([], 80), 0);
  near(aup([at(2, 70)], 80), 140);
  const points = [at(1, 80), at(3, 76), at(2, 80)];
  near(aup([...points, at(2, 80)], 80), aup(points, 80));
  near(aup(points.toReversed(), 80), aup(points, 80));
});

it('AUP of equal accuracies is the product with the highest parallelism; lower accuracies weigh less', () => {
  near(aup([at(1, 80), at(4, 80)], 80), 320);
  // Of 78 with a best of 80: 78 exp(-3 (1 - 78/80)).
  near(aup([at(1, 80), at(2, 78)], 80), 80 + (80 + 78 * Math.exp(-0.075)) / 2);
});

it('AUP leaves out points that are more than five points below the least parallel one', () => {
  near(aup([at(1, 80), at(10, 74.9)], 80), 80);
  assert.ok(aup([at(1, 80), at(10, 75)], 80) > 80);
});
