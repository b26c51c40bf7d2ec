import assert from 'node:assert/strict';

/** Numbers that agree to a relative tolerance, absolute below 1. */
export function assertNear(
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  what: string,
  tolerance = 5e-5,
): void {
  assert.equal(found.length, expected.length, what);
  for (let i = 0; i < found.length; i++)
    assert.ok(
      Math.abs(found[i]! - expected[i]!) <= tolerance * Math.max(1, Math.abs(expected[i]!)),
      `${what}: number ${i} is ${found[i]}, expected ${expected[i]}`,
    );
}
