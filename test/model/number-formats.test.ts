import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { narrowToBf16, widenBf16, widenF16 } from '../../src/model/number-formats.ts';
import { Random } from '../../src/platform/random.ts';

const bitsOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0]!;
const ofBits = (bits: number): Float32Array => new Float32Array(Uint32Array.of(bits).buffer);

/** A binary16 by its definition in IEEE 754. */
function valueOfHalf(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

describe('numbers of 16 bits', () => {
  it('binary16: each of the 65,536 values follows the standard, including subnormals, infinities and both zeros', () => {
    const all = Uint16Array.from({ length: 2 ** 16 }, (_, half) => half);
    const wide = new Float32Array(all.length);
    widenF16(all, wide);
    for (const half of all) assert.ok(Object.is(wide[half], valueOfHalf(half)), `${half}: ${wide[half]}`);
  });

  it('bfloat16: each is the f32 with these upper bits, and is converted back', () => {
    const all = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits);
    const wide = new Float32Array(all.length);
    widenBf16(all, wide);
    const bits = new Uint32Array(wide.buffer);
    const back = narrowToBf16(wide);
    for (const half of all) {
      assert.equal(bits[half], half * 2 ** 16);
      // A signalling NaN becomes a quiet one.
      assert.equal(back[half], Number.isNaN(wide[half]) ? half | 0x40 : half);
    }
  });

  it('an f32 is rounded to the nearest bfloat16, ties to even', () => {
    const random = new Random(1, 'bf16');
    for (let round = 0; round < 20_000; round++) {
      const bits = random.integer(2 ** 31) * 2 + random.integer(2);
      const x = ofBits(bits);
      const value = x[0]!;
      const stored = narrowToBf16(x)[0]!;
      const at = (half: number) => ofBits(half * 2 ** 16)[0]!;
      if (Number.isNaN(value)) {
        assert.ok(Number.isNaN(at(stored)));
        continue;
      }
      const below = Math.floor(bits / 2 ** 16);
      const rest = bits % 2 ** 16;
      const expected = rest > 0x8000 || (rest === 0x8000 && below % 2 === 1) ? below + 1 : below;
      assert.equal(stored, expected, `${value}`);
    }
    for (const [value, expected] of [
      [1 + 2 ** -8, 1],
      [1 + 3 * 2 ** -8, 1 + 2 ** -6],
      [3.4e38, Number.POSITIVE_INFINITY],
      [-1e-45, -0],
    ] as const) {
      const wide = new Float32Array(1);
      widenBf16(narrowToBf16(Float32Array.of(value)), wide);
      assert.ok(Object.is(wide[0], expected), `${value} becomes ${wide[0]}`);
    }
    assert.equal(bitsOf(1), 0x3f800000);
  });
});
