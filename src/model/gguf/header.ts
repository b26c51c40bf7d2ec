import { type Shape, sizeOf } from '../../graph/tensor.ts';
import { shown } from '../safetensors-header.ts';
import { type BlockFormat, blockFormat, formatName, readableFormats } from './block-formats.ts';

/** A value of a file's metadata. */
export type MetadataValue = number | boolean | string | readonly MetadataValue[];

/** A tensor as a header describes it. */
export interface GgufTensor {
  readonly format: BlockFormat;
  /** Rows first: the reverse of the order in the file. */
  readonly shape: Shape;
  /** Its bytes in the file, [start, end). */
  readonly start: number;
  readonly end: number;
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

/** The header is longer than the bytes of the file that were read. */
export class NeedsMoreBytes extends Error {}

/** Types of metadata values, by their number in a file: the least bytes of a value, and a function that reads one. */
const valueTypes: readonly {
  readonly bytes: number;
  readonly read: (header: Cursor, depth: number) => MetadataValue;
}[] = [
  { bytes: 1, read: (at) => at.view.getUint8(at.take(1)) },
  { bytes: 1, read: (at) => at.view.getInt8(at.take(1)) },
  { bytes: 2, read: (at) => at.view.getUint16(at.take(2), true) },
  { bytes: 2, read: (at) => at.view.getInt16(at.take(2), true) },
  { bytes: 4, read: (at) => at.u32() },
  { bytes: 4, read: (at) => at.view.getInt32(at.take(4), true) },
  { bytes: 4, read: (at) => at.view.getFloat32(at.take(4), true) },
  { bytes: 1, read: (at) => at.view.getUint8(at.take(1)) !== 0 },
  { bytes: 8, read: (at) => at.text() },
  { bytes: 12, read: (at, depth) => at.list(depth) },
  { bytes: 8, read: (at) => at.u64() },
  { bytes: 8, read: (at) => Number(at.view.getBigInt64(at.take(8), true)) },
  { bytes: 8, read: (at) => at.view.getFloat64(at.take(8), true) },
];

/** The deepest nesting of lists. No published model needs more. */
const deepestList = 2;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a header from its beginning. Every stated length is checked against the size of the file before it is used. */
class Cursor {
  readonly view: DataView;
  readonly #bytes: Uint8Array;
  readonly #size: number;
  readonly #damaged: (why: string) => Error;
  position = 0;

  constructor(bytes: Uint8Array, size: number, damaged: (why: string) => Error) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#bytes = bytes;
    this.#size = size;
    this.#damaged = damaged;
  }

  /** Moves past the next `bytes` bytes and returns the position of the first of them. */
  take(bytes: number): number {
    const at = this.position;
    if (bytes > this.#size - at) throw this.#damaged('it is cut off');
    if (bytes > this.#bytes.length - at) throw new NeedsMoreBytes();
    this.position += bytes;
    return at;
  }

  u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  /** A value above 2^53 is rounded. It is rejected if an integer is required. */
  u64(): number {
    return Number(this.view.getBigUint64(this.take(8), true));
  }

  /** Reads a count of items that follow. Throws if they do not fit in the file at `leastBytes` bytes each. */
  count(what: string, leastBytes: number): number {
    const count = this.u64();
    if (count * leastBytes > this.#size - this.position)
      throw this.#damaged(`it states ${count} ${what}, and ${this.#size} bytes cannot hold them`);
    return count;
  }

  text(): string {
    const length = this.count('bytes of a text', 1);
    const at = this.take(length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw this.#damaged(`the text at byte ${at} is not UTF-8`);
    }
  }

  value(depth = 0): MetadataValue {
    return this.#typeOfValue().read(this, depth);
  }

  list(depth: number): MetadataValue[] {
    if (depth === deepestList) throw this.#damaged('its metadata has lists in lists in lists');
    const type = this.#typeOfValue();
    const length = this.count('entries of a list', type.bytes);
    const list: MetadataValue[] = [];
    for (let index = 0; index < length; index++) list.push(type.read(this, depth + 1));
    return list;
  }

  #typeOfValue() {
    const id = this.u32();
    const type = valueTypes[id];
    if (!type) throw this.#damaged(`its metadata has a value of the unknown type ${id}`);
    return type;
  }
}

/** The bytes `GGUF` as a little-endian number. */
const magic = 0x46554747;
const versions = [2, 3];

/** An entry has at least a key, a type and a value. A tensor has a name, a dimension count, dimensions, a type and an offset. */
const leastBytesOfEntry = 8 + 4 + 1;
const leastBytesOfTensor = 8 + 4 + 8 + 4 + 8;

/**
 * Parses a header (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md) from the first bytes of a file of `size` bytes.
 *
 * @throws NeedsMoreBytes if the header is longer than `bytes`, `damaged(reason)` if the file is damaged, `refused(reason)` if
 * it is valid but not supported
 */
export function parseGgufHeader(
  bytes: Uint8Array,
  { size, damaged, refused }: { size: number; damaged: (why: string) => Error; refused: (why: string) => Error },
): GgufHeader {
  const at = new Cursor(bytes, size, damaged);
  if (size < 4 || at.u32() !== magic) throw damaged('it does not begin with GGUF');
  const version = at.u32();
  if (version !== 0 && version % 2 ** 16 === 0)
    throw refused('it is big-endian, but only little-endian files are supported');
  if (!versions.includes(version)) throw refused(`its version is ${version}, but only versions 2 and 3 are supported`);
  const tensorCount = at.count('tensors', leastBytesOfTensor);
  const entries = at.count('entries of metadata', leastBytesOfEntry);
  const metadata = new Map<string, MetadataValue>();
  for (let entry = 0; entry < entries; entry++) {
    const key = at.text();
    if (metadata.has(key)) throw damaged(`its metadata has ${shown(key)} twice`);
    metadata.set(key, at.value());
  }
  const described = new Map<string, { format: BlockFormat; shape: Shape; offset: number; bytes: number }>();
  for (let tensor = 0; tensor < tensorCount; tensor++) {
    const name = at.text();
    if (described.has(name)) throw damaged(`it has the tensor ${shown(name)} twice`);
    described.set(name, tensorOf(at, name, { damaged, refused }));
  }
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !(alignment > 0) || alignment % 8 !== 0)
    throw damaged(`its alignment is ${shown(String(alignment))}, and a multiple of 8 is needed`);
  const data = Math.ceil(at.position / alignment) * alignment;
  return { metadata, tensors: placed(described, { data, alignment, size, damaged }) };
}

/** Reads the description of one tensor. */
function tensorOf(
  at: Cursor,
  name: string,
  { damaged, refused }: { damaged: (why: string) => Error; refused: (why: string) => Error },
) {
  const dimensions = at.u32();
  if (dimensions < 1 || dimensions > 4) throw damaged(`tensor ${shown(name)} has ${dimensions} dimensions`);
  const shape = Array.from({ length: dimensions }, () => at.u64()).reverse();
  const type = at.u32();
  const offset = at.u64();
  const format = blockFormat(type);
  if (!format)
    throw refused(
      `tensor ${shown(name)} is of the type ${formatName(type)}, but only ${readableFormats.join(', ')} are supported`,
    );
  const numbers = sizeOf(shape);
  if (shape.some((extent) => extent < 1) || !Number.isSafeInteger(numbers))
    throw damaged(`tensor ${shown(name)} is [${shape}]`);
  if ((shape.at(-1) as number) % format.numbers !== 0)
    throw damaged(`tensor ${shown(name)} is [${shape}], which is not made of blocks of ${format.numbers}`);
  return { format, shape, offset, bytes: (numbers / format.numbers) * format.bytes };
}

/** Computes the byte range of each tensor. Throws if a range is not inside the file or overlaps another one. */
function placed(
  described: ReadonlyMap<string, { format: BlockFormat; shape: Shape; offset: number; bytes: number }>,
  layout: { data: number; alignment: number; size: number; damaged: (why: string) => Error },
): Map<string, GgufTensor> {
  const { data, alignment, size, damaged } = layout;
  const tensors = new Map<string, GgufTensor>();
  for (const [name, { format, shape, offset, bytes }] of described) {
    const [start, end] = [data + offset, data + offset + bytes];
    if (offset % alignment !== 0) throw damaged(`tensor ${shown(name)} begins at ${offset}, which is not aligned`);
    if (end > size) throw damaged(`tensor ${shown(name)} ends at byte ${end} of ${size}; it is cut off`);
    tensors.set(name, { format, shape, start, end });
  }
  let before = 0;
  for (const [name, { start, end }] of [...tensors].sort(([, a], [, b]) => a.start - b.start)) {
    if (start < before) throw damaged(`tensor ${shown(name)} overlaps another`);
    before = end;
  }
  return tensors;
}
