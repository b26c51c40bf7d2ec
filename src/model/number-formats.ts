/**
 * Numbers of 16 bits as checkpoints hold them: bfloat16, the upper half of an f32, and IEEE 754's binary16. All goes by
 * bits, so that infinities, subnormals and the payloads of NaNs stay what they are.
 */

const asBits = (floats: Float32Array): Uint32Array => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

/** bfloat16 to f32, exactly. */
export function widenBf16(from: Uint16Array, to: Float32Array): void {
  const bits = asBits(to);
  for (let index = 0; index < from.length; index++) bits[index] = (from[index] as number) << 16;
}

/** f32 to the nearest bfloat16, to the even one of two that are as near. */
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

/** binary16 to f32, exactly. */
export function widenF16(from: Uint16Array, to: Float32Array): void {
  halves ??= Uint32Array.from({ length: 2 ** 16 }, (_, half) => bitsOfHalf(half));
  const bits = asBits(to);
  for (let index = 0; index < from.length; index++) bits[index] = halves[from[index] as number] as number;
}

/** The f32 bits of every binary16. */
let halves: Uint32Array | undefined;

function bitsOfHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (fraction << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0;
  if (fraction === 0) return sign >>> 0;
  // A subnormal: its leading bit becomes f32's hidden one.
  const shift = Math.clz32(fraction) - 21;
  return (sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13)) >>> 0;
}
