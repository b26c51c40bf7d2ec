import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type EstimatorMasking,
  estimatorMasks,
  maskAtRandomTime,
  maskEvenly,
  maskExactCount,
  randomMask,
} from '../../src/diffusion/masking.ts';
import { Random } from '../../src/platform/random.ts';
import { assertFrequencies } from './chi-square.ts';

const countOf = (masked: Uint8Array): number => masked.reduce((sum, one) => sum + one, 0);
const total = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);

describe('the forward process', () => {
  it('with an exact count masks 1 to n tokens, each count and each subset equally often, with weight n / count', () => {
    const random = new Random(1, 'exact count');
    const counts = [0, 0, 0, 0];
    const pairs = new Map<string, number>();
    for (let draw = 0; draw < 20_000; draw++) {
      const { masked, weight } = maskExactCount(4, random);
      const count = countOf(masked);
      assert.equal(weight, 4 / count);
      counts[count - 1]!++;
      if (count === 2) pairs.set(masked.join(''), (pairs.get(masked.join('')) ?? 0) + 1);
    }
    assertFrequencies(counts, [1, 1, 1, 1]);
    assertFrequencies([...pairs.values()], [1, 1, 1, 1, 1, 1]);
  });

  it('at a random time masks tokens independently: every count from 0 to n equally often, with weight 1 / t', () => {
    const random = new Random(2, 'random time');
    const counts = [0, 0, 0, 0, 0];
    for (let draw = 0; draw < 20_000; draw++) {
      const { masked, weight } = maskAtRandomTime(4, random);
      assert.ok(weight >= 1 && Number.isFinite(weight));
      counts[countOf(masked)]!++;
    }
    // The integral over t of the binomial: 1 / (n + 1) for every count.
    assertFrequencies(counts, [1, 1, 1, 1, 1]);
  });

  it('stratified over a batch gives each text every count equally often, and the batch nearly the same sum each time', () => {
    const random = new Random(8, 'even');
    const counts = [0, 0, 0, 0];
    const sums = new Set<number>();
    for (let draw = 0; draw < 5000; draw++) {
      const maskings = maskEvenly([4, 4, 4, 8], random);
      const { masked, weight } = maskings[draw % 3]!;
      counts[countOf(masked) - 1]!++;
      assert.equal(weight, 4 / countOf(masked));
      sums.add(total(maskEvenly([64, 64, 64, 64], random).map((one) => countOf(one.masked))));
    }
    assertFrequencies(counts, [1, 1, 1, 1]);
    // Four strata of 16 counts each: their sum varies only with the common shift, between 100 and 160.
    assert.deepEqual([Math.min(...sums), Math.max(...sums), sums.size], [100, 160, 16]);
  });

  it('estimates the same ELBO in both forms', () => {
    // Log-probabilities of a toy model of three tokens: that of token i if `masked` is hidden, as a table.
    const toy = new Random(3, 'toy model');
    const logp = Array.from({ length: 8 }, () => [0, 1, 2].map(() => Math.log(0.05 + 0.9 * toy.uniform())));
    const masks = Array.from({ length: 8 }, (_, bits) => [0, 1, 2].map((position) => (bits >> position) & 1));
    const masked = (bits: number) => total(masks[bits]!.map((one, position) => one * logp[bits]![position]!));
    // Exactly: E over t of (1/t) t^k (1-t)^(n-k) is the beta function B(k, n-k+1) = (k-1)! (n-k)! / n!.
    const factorial = (n: number): number => (n <= 1 ? 1 : n * factorial(n - 1));
    const exact = total(
      masks.map((positions, bits) => {
        const count = total(positions);
        return count === 0 ? 0 : ((factorial(count - 1) * factorial(3 - count)) / factorial(3)) * masked(bits);
      }),
    );
    const estimate = (draw: (random: Random) => { masked: Uint8Array; weight: number }) => {
      const random = new Random(4, 'estimate');
      const values = Array.from({ length: 40_000 }, () => {
        const { masked: positions, weight } = draw(random);
        return weight * masked(positions[0]! + 2 * positions[1]! + 4 * positions[2]!);
      });
      const mean = total(values) / values.length;
      const variance = total(values.map((value) => (value - mean) ** 2)) / values.length;
      return { mean, variance, error: Math.sqrt(variance / values.length) };
    };
    const byCount = estimate((random) => maskExactCount(3, random));
    const byTime = estimate((random) => maskAtRandomTime(3, random));
    assert.ok(Math.abs(byCount.mean - exact) < 4 * byCount.error, `${byCount.mean} against ${exact}`);
    assert.ok(Math.abs(byTime.mean - exact) < 4 * byTime.error, `${byTime.mean} against ${exact}`);
    assert.ok(byCount.variance < byTime.variance, 'the exact count varies less');
  });

  it('draws subsets of every size', () => {
    const random = new Random(5, 'subset');
    for (let count = 0; count <= 5; count++) assert.equal(countOf(randomMask(5, count, random)), count);
  });
});

describe('the masks of an estimate', () => {
  const draws = 6000;
  const shape = { promptLength: 3, completionLength: 12, length: 9 };
  const options = { masking: 'block-random' as EstimatorMasking, block: 4, samples: 2, cleanTokenMasking: 0.15 };
  /** Parts of a mask: prompt, blocks of four. */
  const parts = (mask: Uint8Array) =>
    [mask.slice(0, 3), mask.slice(3, 7), mask.slice(7, 11), mask.slice(11)] as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];

  it('keep earlier blocks, and mask part of one block and everything after it', () => {
    const random = new Random(6, 'blocks');
    const chosen = [0, 0, 0];
    const partial: number[][] = [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
    ];
    const lastBlock = [0, 0];
    let [clean, cleanMasked] = [0, 0];
    // Block 2 has one token of the text, at position 8, and three after the end of text.
    const hidden = (part: Uint8Array, from: number) => part.slice(from).every((one) => one === 1);
    for (let draw = 0; draw < draws; draw++) {
      const masks = estimatorMasks(shape, options, random);
      assert.equal(masks.length, 2);
      for (const mask of masks) {
        assert.equal(mask.length, 15);
        const [prompt, , , third] = parts(mask);
        assert.ok(hidden(third, 1), 'everything after the end of text is masked');
        assert.equal(
          third[0],
          1,
          'a block of one token is fully masked, and so is everything after the selected block',
        );
        cleanMasked += countOf(prompt);
        clean += 3;
      }
    }
    // The selected block can be identified only if there is a single candidate: count those with no clean token masked.
    const still = { ...options, cleanTokenMasking: 0 };
    for (let draw = 0; draw < draws; draw++)
      for (const mask of estimatorMasks(shape, still, random)) {
        const [prompt, first, second] = parts(mask);
        assert.equal(countOf(prompt), 0);
        const block = countOf(first) > 0 ? 0 : countOf(second) > 0 ? 1 : 2;
        chosen[block]!++;
        if (block === 0) assert.equal(countOf(second), 4, 'the next block is fully masked');
        if (block < 2) partial[block]![countOf(block === 0 ? first : second) - 1]!++;
        if (block === 2) lastBlock[countOf(first) + countOf(second)]!++;
      }
    assert.equal(lastBlock[1], 0, 'blocks before the selected one are unchanged');
    assertFrequencies(chosen, [1, 1, 1]);
    for (const counts of partial) assertFrequencies(counts, [1, 1, 1, 1]);
    assertFrequencies([cleanMasked, clean - cleanMasked], [0.15, 0.85]);
  });

  it('mask tokens of earlier blocks with the same probability as those of the prompt', () => {
    const random = new Random(7, 'earlier blocks');
    const counts = [0, 0];
    for (let draw = 0; draw < draws; draw++) {
      const [mask] = estimatorMasks(
        { promptLength: 0, completionLength: 8, length: 8 },
        { ...options, samples: 1, masking: 'block-all' },
        random,
      );
      // The first of two blocks is fully masked if it was selected, and hardly ever otherwise.
      if (countOf(mask!.slice(0, 4)) === 4) continue;
      counts[0]! += countOf(mask!.slice(0, 4));
      counts[1]! += 4;
    }
    const share = counts[0]! / counts[1]!;
    assert.ok(Math.abs(share - 0.15) < 0.02, `${share} of the tokens before the chosen block are masked`);
  });

  it('select each valid block equally often, and distinct ones if there are enough', () => {
    const random = new Random(8, 'valid blocks');
    const both = new Map<string, number>();
    for (let draw = 0; draw < draws; draw++) {
      const blocks = estimatorMasks({ ...shape, length: 12 }, { ...options, cleanTokenMasking: 0 }, random).map(
        (mask) =>
          parts(mask)
            .slice(1)
            .findIndex((part) => countOf(part) > 0),
      );
      both.set(blocks.join(), (both.get(blocks.join()) ?? 0) + 1);
    }
    assert.deepEqual([...both.keys()].sort(), ['0,1', '0,2', '1,0', '1,2', '2,0', '2,1']);
    assertFrequencies([...both.values()], [1, 1, 1, 1, 1, 1]);
  });

  it('wrap the permutation of all blocks onto the valid ones, as the released trainer does', () => {
    // Three blocks, two of them valid: block 0 is used for the permutation's 0 and 2, and may occur twice.
    const random = new Random(9, 'wrapped');
    const counts = new Map<string, number>();
    for (let draw = 0; draw < draws; draw++) {
      const blocks = estimatorMasks({ ...shape, length: 8 }, { ...options, cleanTokenMasking: 0 }, random).map(
        (mask) => (countOf(parts(mask)[1]) > 0 ? 0 : 1),
      );
      counts.set(blocks.join(), (counts.get(blocks.join()) ?? 0) + 1);
    }
    assert.deepEqual([...counts.keys()].sort(), ['0,0', '0,1', '1,0']);
    assertFrequencies([...counts.values()], [1, 1, 1]);
  });

  it('handle a text of one token, a short last block, and more samples than blocks', () => {
    const random = new Random(10, 'corners');
    for (let draw = 0; draw < 300; draw++) {
      const [one] = estimatorMasks(
        { promptLength: 2, completionLength: 4, length: 1 },
        { ...options, cleanTokenMasking: 0 },
        random,
      );
      assert.deepEqual([...one!], [0, 0, 1, 1, 1, 1]);
      // Ten tokens in blocks of four: the last block has two.
      const many = estimatorMasks(
        { promptLength: 0, completionLength: 10, length: 10 },
        { ...options, samples: 7 },
        random,
      );
      assert.equal(many.length, 7);
      for (const mask of many) assert.ok(countOf(mask) >= 1);
      const [wide] = estimatorMasks(
        { promptLength: 1, completionLength: 4, length: 4 },
        { ...options, block: 32 },
        random,
      );
      assert.equal(wide!.length, 5);
      assert.ok(countOf(wide!.slice(1)) >= 1);
    }
  });

  it('without blocks mask a uniform number of tokens of the text, or all of it', () => {
    const random = new Random(11, 'no blocks');
    const counts = Array.from({ length: 9 }, () => 0);
    for (let draw = 0; draw < draws; draw++) {
      const [mask] = estimatorMasks(shape, { ...options, masking: 'random', samples: 1 }, random);
      assert.ok(
        mask!.slice(12).every((one) => one === 1),
        'what follows the end of text',
      );
      counts[countOf(mask!.slice(3, 12)) - 1]!++;
      const [all] = estimatorMasks(shape, { ...options, masking: 'all', samples: 1 }, random);
      assert.ok(all!.slice(3).every((one) => one === 1));
    }
    assertFrequencies(
      counts,
      Array.from({ length: 9 }, () => 1),
    );
  });

  it('depend only on their random stream', () => {
    const drawn = (seed: number) => estimatorMasks(shape, options, new Random(seed, 'same'));
    assert.deepEqual(drawn(1), drawn(1));
    assert.notDeepEqual(drawn(1), drawn(2));
  });
});
