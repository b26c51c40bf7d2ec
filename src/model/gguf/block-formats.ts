import { f16ToNumber, widenBf16, widenF16 } from '../number-formats.ts';

/**
 * The storage format of a tensor: blocks of `numbers` elements that take `bytes` bytes. Results are bit-identical to those of
 * llama.cpp's Python package `gguf`, because values are rounded to f32 in the same order.
 */
export interface BlockFormat {
  readonly name: string;
  readonly numbers: number;
  readonly bytes: number;
  /** The safetensors type of a format that is not quantized; undefined: the format is quantized and is read as f32. */
  readonly plain?: 'F32' | 'F16' | 'BF16';
  /** Dequantizes all blocks of `source` into `target`, which has their number of elements. */
  dequantize(source: Uint8Array, target: Float32Array): void;
}

/** Dequantizes the block at byte `at` of `source` into `target`, beginning at element `to`. */
type Block = (source: Uint8Array, at: number, target: Float32Array, to: number) => void;

const { fround } = Math;

const half = (source: Uint8Array, at: number): number =>
  f16ToNumber((source[at] as number) | ((source[at + 1] as number) << 8));

const signed = (byte: number): number => (byte << 24) >> 24;

/** A format whose blocks are dequantized one by one. */
function inBlocks(name: string, numbers: number, bytes: number, block: Block): BlockFormat {
  return {
    name,
    numbers,
    bytes,
    dequantize(source, target) {
      for (let at = 0, to = 0; at < source.length; at += bytes, to += numbers) block(source, at, target, to);
    },
  };
}

/** The four bits of element i. The lower halves of the bytes hold the first sixteen elements, the upper halves the others. */
const nibble = (source: Uint8Array, at: number, i: number): number =>
  i < 16 ? (source[at + i] as number) & 15 : (source[at + i - 16] as number) >> 4;

/** Bit i of four bytes. */
const bit = (source: Uint8Array, at: number, i: number): number => ((source[at + (i >> 3)] as number) >> (i & 7)) & 1;

const q4_0 = inBlocks('Q4_0', 32, 18, (source, at, target, to) => {
  const d = half(source, at);
  for (let i = 0; i < 32; i++) target[to + i] = d * (nibble(source, at + 2, i) - 8);
});

const q4_1 = inBlocks('Q4_1', 32, 20, (source, at, target, to) => {
  const [d, m] = [half(source, at), half(source, at + 2)];
  for (let i = 0; i < 32; i++) target[to + i] = fround(d * nibble(source, at + 4, i)) + m;
});

const q5_0 = inBlocks('Q5_0', 32, 22, (source, at, target, to) => {
  const d = half(source, at);
  for (let i = 0; i < 32; i++) target[to + i] = d * ((nibble(source, at + 6, i) | (bit(source, at + 2, i) << 4)) - 16);
});

const q5_1 = inBlocks('Q5_1', 32, 24, (source, at, target, to) => {
  const [d, m] = [half(source, at), half(source, at + 2)];
  for (let i = 0; i < 32; i++)
    target[to + i] = fround(d * (nibble(source, at + 8, i) | (bit(source, at + 4, i) << 4))) + m;
});

const q8_0 = inBlocks('Q8_0', 32, 34, (source, at, target, to) => {
  const d = half(source, at);
  for (let i = 0; i < 32; i++) target[to + i] = d * signed(source[at + 2 + i] as number);
});

// The formats below have superblocks of 256 elements in groups of 16 or 32. The scales of groups are small integers. Where one
// or two bits of an element are stored together, a byte holds those of elements that are 32 apart.

/** The two bits of element i. Bytes 0 to 31 hold the first 128 elements. */
const twoBits = (source: Uint8Array, at: number, i: number): number =>
  ((source[at + ((i >> 7) << 5) + (i & 31)] as number) >> (2 * ((i >> 5) & 3))) & 3;

/** The one bit of element i. */
const plane = (source: Uint8Array, at: number, i: number): number =>
  ((source[at + (i & 31)] as number) >> (i >> 5)) & 1;

/** The four bits of element i. Bytes 0 to 31 hold the first 64 elements. */
const nibbleOf64 = (source: Uint8Array, at: number, i: number): number =>
  ((source[at + ((i >> 6) << 5) + (i & 31)] as number) >> (4 * ((i >> 5) & 1))) & 15;

const q2_k = inBlocks('Q2_K', 256, 84, (source, at, target, to) => {
  const [d, dmin] = [half(source, at + 80), half(source, at + 82)];
  for (let group = 0; group < 16; group++) {
    const packed = source[at + group] as number;
    const [scale, low] = [fround(d * (packed & 15)), fround(dmin * (packed >> 4))];
    for (let i = group * 16; i < group * 16 + 16; i++)
      target[to + i] = fround(scale * twoBits(source, at + 16, i)) - low;
  }
});

const q3_k = inBlocks('Q3_K', 256, 110, (source, at, target, to) => {
  const d = half(source, at + 108);
  const scales = at + 96;
  for (let group = 0; group < 16; group++) {
    const low = ((source[scales + (group & 7)] as number) >> (group < 8 ? 0 : 4)) & 15;
    const high = ((source[scales + 8 + (group & 3)] as number) >> (2 * (group >> 2))) & 3;
    const scale = fround(d * ((low | (high << 4)) - 32));
    // The high bit is stored inverted: 4 is subtracted if it is not set.
    for (let i = group * 16; i < group * 16 + 16; i++)
      target[to + i] = scale * (twoBits(source, at + 32, i) - 4 * (1 - plane(source, at, i)));
  }
});

/** The 6-bit scale and the 6-bit minimum of a group of 32. Twelve bytes hold those of eight groups. */
function scaleAndMinimum(source: Uint8Array, at: number, group: number): readonly [scale: number, minimum: number] {
  const byte = (index: number): number => source[at + index] as number;
  if (group < 4) return [byte(group) & 63, byte(4 + group) & 63];
  const rest = byte(4 + group);
  return [(rest & 15) | ((byte(group - 4) >> 2) & 0x30), (rest >> 4) | ((byte(group) >> 2) & 0x30)];
}

const q4_k = inBlocks('Q4_K', 256, 144, (source, at, target, to) => {
  const [d, dmin] = [half(source, at), half(source, at + 2)];
  for (let group = 0; group < 8; group++) {
    const [scale, minimum] = scaleAndMinimum(source, at + 4, group);
    const [step, low] = [fround(d * scale), fround(dmin * minimum)];
    for (let i = group * 32; i < group * 32 + 32; i++)
      target[to + i] = fround(step * nibbleOf64(source, at + 16, i)) - low;
  }
});

const q5_k = inBlocks('Q5_K', 256, 176, (source, at, target, to) => {
  const [d, dmin] = [half(source, at), half(source, at + 2)];
  for (let group = 0; group < 8; group++) {
    const [scale, minimum] = scaleAndMinimum(source, at + 4, group);
    const [step, low] = [fround(d * scale), fround(dmin * minimum)];
    for (let i = group * 32; i < group * 32 + 32; i++)
      target[to + i] = fround(step * (nibbleOf64(source, at + 48, i) | (plane(source, at + 16, i) << 4))) - low;
  }
});

const q6_k = inBlocks('Q6_K', 256, 210, (source, at, target, to) => {
  const d = half(source, at + 208);
  for (let group = 0; group < 16; group++) {
    const scale = fround(d * signed(source[at + 192 + group] as number));
    for (let i = group * 16; i < group * 16 + 16; i++) {
      const low = ((source[at + ((i >> 7) << 6) + (i & 63)] as number) >> (4 * ((i >> 6) & 1))) & 15;
      target[to + i] = scale * ((low | (twoBits(source, at + 128, i) << 4)) - 32);
    }
  }
});

/** Copies bytes to 16-bit numbers. The copy is needed because `source` may not be aligned. */
const halves = (source: Uint8Array): Uint16Array => new Uint16Array(source.slice().buffer);

const f32: BlockFormat = {
  ...{ name: 'F32', numbers: 1, bytes: 4, plain: 'F32' },
  dequantize: (source, target) => new Uint8Array(target.buffer, target.byteOffset, target.byteLength).set(source),
};
const f16: BlockFormat = {
  ...{ name: 'F16', numbers: 1, bytes: 2, plain: 'F16' },
  dequantize: (source, target) => widenF16(halves(source), target),
};
const bf16: BlockFormat = {
  ...{ name: 'BF16', numbers: 1, bytes: 2, plain: 'BF16' },
  dequantize: (source, target) => widenBf16(halves(source), target),
};

/** The supported formats by their number in a file. */
const formats: ReadonlyMap<number, BlockFormat> = new Map([
  ...([
    [0, f32],
    [1, f16],
    [30, bf16],
  ] as const),
  ...([
    [2, q4_0],
    [3, q4_1],
    [6, q5_0],
    [7, q5_1],
    [8, q8_0],
  ] as const),
  ...([
    [10, q2_k],
    [11, q3_k],
    [12, q4_k],
    [13, q5_k],
    [14, q6_k],
  ] as const),
]);

/** Names of types that are not supported, for messages. */
const otherNames: ReadonlyMap<number, string> = new Map([
  ...([
    [9, 'Q8_1'],
    [15, 'Q8_K'],
    [16, 'IQ2_XXS'],
    [17, 'IQ2_XS'],
    [18, 'IQ3_XXS'],
    [19, 'IQ1_S'],
  ] as const),
  ...([
    [20, 'IQ4_NL'],
    [21, 'IQ3_S'],
    [22, 'IQ2_S'],
    [23, 'IQ4_XS'],
    [29, 'IQ1_M'],
  ] as const),
  ...([
    [24, 'I8'],
    [25, 'I16'],
    [26, 'I32'],
    [27, 'I64'],
    [28, 'F64'],
  ] as const),
  ...([
    [34, 'TQ1_0'],
    [35, 'TQ2_0'],
    [39, 'MXFP4'],
    [40, 'NVFP4'],
    [41, 'Q1_0'],
  ] as const),
]);

/** The format of a type; undefined if the type is not supported. */
export const blockFormat = (type: number): BlockFormat | undefined => formats.get(type);

export const formatName = (type: number): string => formats.get(type)?.name ?? otherNames.get(type) ?? `number ${type}`;

export const readableFormats: readonly string[] = [...formats.values()].map(({ name }) => name);
