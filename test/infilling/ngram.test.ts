import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Ngram } from '../../src/infilling/ngram.ts';
import { Random } from '../../src/platform/random.ts';

const near = (actual: number, expected: number, what: string, tolerance = 1e-12) =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what}: ${actual} is not ${expected}`);
const sum = (numbers: Iterable<number>) => [...numbers].reduce((total, number) => total + number, 0);

/**
 * Text of a Markov chain: the next of six tokens is one of three that the last token determines, with these
 * probabilities.
 */
const shares = [0.7, 0.2, 0.1];
function chain(length: number, random: Random): number[] {
  const tokens = [0];
  while (tokens.length < length) {
    const drawn = random.uniform();
    tokens.push(((tokens.at(-1) as number) * 2 + (drawn < 0.7 ? 0 : drawn < 0.9 ? 1 : 2)) % 6);
  }
  return tokens;
}

/** The same model by definition, with n-grams as strings in maps, unsorted and without sharing. */
function reference(texts: readonly number[][], vocabulary: number, order: number, history: readonly number[]) {
  const padded = texts.map((text) => [...Array(order - 1).fill(vocabulary), ...text]);
  const raw = new Map<string, number>();
  for (const text of padded)
    for (let end = order; end <= text.length; end++) {
      const name = text.slice(end - order, end).join();
      raw.set(name, (raw.get(name) ?? 0) + 1);
    }
  const countsOf = (length: number): Map<string, number> => {
    if (length === order) return raw;
    const counts = new Map<string, number>();
    for (const name of countsOf(length + 1).keys()) {
      const shorter = name.split(',').slice(1).join();
      counts.set(shorter, (counts.get(shorter) ?? 0) + 1);
    }
    return counts;
  };
  const probability = (token: number, length: number): number => {
    if (length === 0) return 1 / vocabulary;
    const counts = countsOf(length);
    const times = (count: number) => [...counts.values()].filter((one) => one === count).length;
    const [n1, n2, n3, n4] = [1, 2, 3, 4].map(times) as [number, number, number, number];
    const y = n1 === 0 ? 0.5 : n1 / (n1 + 2 * n2);
    const discounts =
      n1 * n2 * n3 * n4 === 0 ? [y, y, y] : [1 - (2 * y * n2) / n1, 2 - (3 * y * n3) / n2, 3 - (4 * y * n4) / n3];
    const discount = (count: number) => (count === 0 ? 0 : discounts[Math.min(count, 3) - 1]!);
    const before = [...Array(order).fill(vocabulary), ...history].slice(-(length - 1) || Number.POSITIVE_INFINITY);
    const following = Array.from({ length: vocabulary }, (_, next) => counts.get([...before, next].join()) ?? 0);
    const total = sum(following);
    if (total === 0) return probability(token, length - 1);
    const count = following[token]!;
    return (count - discount(count) + sum(following.map(discount)) * probability(token, length - 1)) / total;
  };
  return Array.from({ length: vocabulary }, (_, token) => probability(token, order));
}

describe('the n-gram', () => {
  it('matches a calculation by hand', () => {
    // Pairs: 01 and 10 twice, 02 and the beginning of the text followed by 0 once: D = 2 / (2 + 2 * 2). Two different
    // tokens precede 0, and one precedes 1 and 2: D = 2 / (2 + 2 * 1).
    const ngram = new Ngram([[0, 1, 0, 1, 0, 2]], { vocabulary: 4, order: 2 });
    const alone = [1.5 / 4 + 1.5 / 16, 0.5 / 4 + 1.5 / 16, 0.5 / 4 + 1.5 / 16, 1.5 / 16];
    const expected: [number[], number[]][] = [
      [[0], [alone[0]! * (2 / 9), 5 / 9 + alone[1]! * (2 / 9), 2 / 9 + alone[2]! * (2 / 9), alone[3]! * (2 / 9)]],
      [[3], alone],
      [[], [2 / 3 + alone[0]! / 3, alone[1]! / 3, alone[2]! / 3, alone[3]! / 3]],
    ];
    for (const [history, shares] of expected)
      shares.forEach((share, token) => {
        near(ngram.distribution(history)[token]!, share, `${token} behind ${history}`);
      });
  });

  it('matches its definition and is a distribution, after any history', () => {
    const random = new Random(1, 'ngram');
    // Occasional tokens outside the chain, so that the counts 1, 2, 3 and 4 occur.
    const texts = [chain(150, random), chain(90, random), [3], [], Array.from({ length: 40 }, () => random.integer(6))];
    const ngram = new Ngram(texts, { vocabulary: 7, order: 3 });
    for (const history of [[], [0], [5, 4], [4, 4], [6, 2], [2, 6], [1, 1, 1, 3, 0]]) {
      const found = ngram.distribution(history);
      near(sum(found), 1, `the sum behind ${history}`);
      assert.ok(found.every((share) => share > 0));
      reference(texts, 7, 3, history).forEach((share, token) => {
        near(found[token]!, share, `${token} behind ${history}`);
      });
    }
  });

  it('finds the bits of a chain whose entropy is known', () => {
    const random = new Random(2, 'chain');
    const ngram = new Ngram([chain(40_000, random)], { vocabulary: 6, order: 4 });
    const fresh = chain(4000, random);
    const bits = sum(
      fresh.slice(3).map((token, index) => -Math.log2(ngram.distribution(fresh.slice(index, index + 3))[token]!)),
    );
    const entropy = -sum(shares.map((share) => share * Math.log2(share)));
    near(bits / (fresh.length - 3), entropy, 'bits per token', 0.03);
  });

  it('uses context tokens without counting them', () => {
    const texts = [
      [1, 2, 5],
      [1, 2, 3, 5],
    ];
    const ngram = new Ngram(texts, { vocabulary: 6, order: 3, contextLength: 2 });
    const [beginning, followingPair] = [ngram.distribution([]), ngram.distribution([1, 2])];
    near(beginning[1]!, beginning[2]!, 'both were only given');
    assert.ok(beginning[5]! > beginning[3]! && beginning[3]! > beginning[1]!);
    assert.ok(followingPair[3]! > 0.2 && followingPair[1]! < 0.1);
  });

  it('is uniform without any text', () => {
    assert.deepEqual([...new Ngram([], { vocabulary: 4, order: 3 }).distribution([1, 2])], Array(4).fill(0.25));
  });
});
