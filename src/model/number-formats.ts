/**
 * The 16-bit number formats of checkpoints: bfloat16, which is the upper half of an f32, and IEEE 754's binary16. Conversions
 * work on bits, so that infinities, subnormals and the payloads of NaNs are preserved.
 */

const asBits = (floats: Float32Array): Uint32Array => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

/** Converts bfloat16 to f32. The conversion is exact. */
export function widenBf16(from: Uint16Array, to: Float32Array): void {
  const bits = asBits(to);
  for (let index = 0; index < from.length; index++) bits[index] = (from[index] as number) << 16;
}

/** Converts f32 to the nearest bfloat16. Ties are rounded to even. */
export function narrowToBf16(from: Float32Array): Uint16Array {
  const bits = asBits(from);
  const to = new Uint16Array(from.length);
  for (let index = 0; index < from.length; index++) {
    const value = bits[index] as number;
    const notANumber = (value & 0x7fffffff) > 0x7f800000;
    // Rounding could carry a NaN's payload into its exponent and sign.
    to[index] = notANumber ? (value >>> 16) | 0x40 : (value + 0x7fff + ((value >>> 16) & 1)) >>> 16;
  }
  return to;
}

/** Converts binary16 to f32. The conversion is exact. */
export function widenF16(from: Uint16Array, to: Float32Array): void {
  halves ??= Uint32Array.from({ length: 2 ** 16 }, (_, half) => bitsOfHalf(half));
  const bits = asBits(to);
  for (let index = 0; index < from.length; index++) bits[index] = halves[from[index] as number] as number;
}

/** Converts the bits of a binary16 to a number. */
export function f16ToNumber(half: number): number {
  if (!numbers) {
    numbers = new Float32Array(2 ** 16);
    widenF16(Uint16Array.from(numbers.keys()), numbers);
  }
  return numbers[half] as number;
}

/** Whether no value is infinite or NaN. The difference of such a value and itself is NaN, and that of any other is 0. */
export function allFinite(data: Float32Array): boolean {
  for (let index = 0; index < data.length; index++) {
    const value = data[index] as number;
    if (value - value !== 0) return false;
  }
  return true;
}

/** Lookup tables with the f32 bits and the value of every binary16; undefined until first used. */
let halves: Uint32Array | undefined;
let numbers: Float32Array | undefined;

function bitsOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // This value is subnormal in binary16 but normal in f32, where its leading bit is implicit.
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}
