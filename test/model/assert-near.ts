import assert from 'node:assert/strict';

/**
 * Asserts that numbers agree to a relative tolerance, which is absolute below 1. The default leaves room for another order
 * of summation: test/rounding nudges every product by 1e-6, which moves the logits of tiny models by up to 1e-4.
 */
export function assertNear(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  tolerance = 2e-4,
): void {
  assert.equal(found.length, expected.length, what);
  for (let i = 0; i < found.length; i++)
    assert.ok(
      Math.abs(found[i]! - expected[i]!) <= tolerance * Math.max(1, Math.abs(expected[i]!)),
      `${what}: number ${i} is ${found[i]}, expected ${expected[i]}`,
    );
}
