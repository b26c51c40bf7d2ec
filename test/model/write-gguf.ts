import { writeFile } from 'node:fs/promises';
import type { MetadataValue } from '../../src/model/gguf/header.ts';

/** A tensor as a test writes it; `dimensions` in the order of the file, columns first. */
export interface WrittenTensor {
  readonly dimensions: readonly number[];
  readonly type: number;
  readonly bytes: Uint8Array;
  /** The offset in the header; default: after the previous tensor. */
  readonly offset?: number;
}

export interface WrittenGguf {
  readonly magic?: string;
  readonly version?: number;
  readonly metadata: readonly (readonly [key: string, value: MetadataValue])[];
  readonly tensors: readonly (readonly [name: string, tensor: WrittenTensor])[];
}

const alignment = 32;

/** The bytes of a GGUF file, valid or invalid. */
export function ggufBytes({ magic = 'GGUF', version = 3, metadata, tensors }: WrittenGguf): Buffer {
  const parts: Buffer[] = [Buffer.from(magic), u32(version), u64(tensors.length), u64(metadata.length)];
  for (const [key, value] of metadata) parts.push(text(key), typed(value));
  let next = 0;
  for (const [name, { dimensions, type, bytes, offset = next }] of tensors) {
    parts.push(text(name), u32(dimensions.length), ...dimensions.map(u64), u32(type), u64(offset));
    next = Math.ceil((next + bytes.length) / alignment) * alignment;
  }
  const pad = (length: number) => Buffer.alloc((alignment - (length % alignment)) % alignment);
  parts.push(pad(parts.reduce((sum, { length }) => sum + length, 0)));
  for (const [index, [, { bytes }]] of tensors.entries())
    parts.push(Buffer.from(bytes), ...(index === tensors.length - 1 ? [] : [pad(bytes.length)]));
  return Buffer.concat(parts);
}

export const writeGguf = (file: string, content: WrittenGguf): Promise<void> => writeFile(file, ggufBytes(content));

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const text = (value: string): Buffer => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

/** A value after the number of its type: u32 or i32, f64, bool, string or list. */
function typed(value: MetadataValue): Buffer {
  const [type, bytes] = encoded(value);
  return Buffer.concat([u32(type), bytes]);
}

function encoded(value: MetadataValue): readonly [type: number, bytes: Buffer] {
  if (typeof value === 'boolean') return [7, Buffer.from([Number(value)])];
  if (typeof value === 'string') return [8, text(value)];
  if (typeof value !== 'number') {
    const entries = value.map(encoded);
    return [9, Buffer.concat([u32(entries[0]?.[0] ?? 4), u64(value.length), ...entries.map(([, bytes]) => bytes)])];
  }
  if (Number.isInteger(value)) return value < 0 ? [5, i32(value)] : [4, u32(value)];
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return [12, bytes];
}

function i32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}
