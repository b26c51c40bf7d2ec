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

/** A binary16, given by its bits, as a number. */
export function f16ToNumber(half: number): number {
  if (!numbers) {
    numbers = new Float32Array(2 ** 16);
    widenF16(Uint16Array.from(numbers.keys()), numbers);
  }
  return numbers[half] as number;
}

/** Whether no number is infinite or none at all: such a one gives no 0 when it is taken from itself. */
export function allFinite(data: Float32Array): boolean {
  for (let index = 0; index < data.length; index++) {
    const value = data[index] as number;
    if (value - value !== 0) return false;
  }
  return true;
}

/** The f32 bits of every binary16, and their numbers. */
let halves: Uint32Array | undefined;
let numbers: Float32Array | undefined;

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
