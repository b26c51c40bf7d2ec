import assert from 'node:assert/strict';
import { it } from 'node:test';
import { sequenceBatches } from '../../src/tuning/likelihoods/sequence-update.ts';
import { clippedLoss } from '../../src/tuning/objectives/clipped-method.ts';

it('padding of a batch has the score 0 like its other numbers, so that its ratio does not overflow', () => {
  const loss = clippedLoss({ unit: 'sequence', penalty: 'k3', logProbs: 'model' });
  const entries = Array.from({ length: 3 }, (_, index) => ({
    sequence: [
      { tokens: Int32Array.of(1, 2, 2), promptLength: 1, targets: Int32Array.of(3, 4), weights: Float32Array.of(1, 2) },
    ],
    values: { old: -200 - index, weights: 1 / 3 },
  }));
  const batches = sequenceBatches(entries, { size: 2, pad: 0, loss });
  assert.deepEqual(
    batches.map(({ extra }) => [[...extra.coefficients!.data], [...extra.old!.data]]),
    [
      [
        [1, 2, 1, 2],
        [-200, -201],
      ],
      [
        [1, 2, 0, 0],
        [-202, 0],
      ],
    ],
  );
});
