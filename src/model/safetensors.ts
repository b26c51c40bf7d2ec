import { open, stat } from 'node:fs/promises';
import { z } from 'zod';
import { type HostTensor, type Shape, sizeOf } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { cannotRead, writeAtomic } from '../platform/files.ts';

/** A header of 100 MB describes more tensors than any model has; a longer one is damage or malice. */
const longestHeader = 100_000_000;

const entry = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

/** Writes f32 tensors in the safetensors format (https://github.com/huggingface/safetensors), atomically. */
export async function writeSafetensors(
  file: string,
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt', ...metadata } };
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    const dtype = data instanceof Float32Array ? 'F32' : 'I32';
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = Buffer.from(JSON.stringify(header));
  // The data start at a multiple of eight bytes, so that a reader can map them in place.
  const padded = Math.ceil(json.length / 8) * 8;
  const bytes = Buffer.alloc(8 + padded + offset, ' ');
  bytes.writeBigUInt64LE(BigInt(padded), 0);
  json.copy(bytes, 8);
  let place = 8 + padded;
  for (const { data } of tensors.values()) {
    Buffer.from(data.buffer, data.byteOffset, data.byteLength).copy(bytes, place);
    place += data.byteLength;
  }
  await writeAtomic(file, bytes);
}

/** Reads f32 and i32 tensors; throws a `UserError` that names the file where it is missing, cut off or malformed. */
export async function readSafetensors(file: string): Promise<Map<string, HostTensor>> {
  const handle = await open(file).catch((error: unknown) => {
    throw new UserError(cannotRead(file, error));
  });
  try {
    const { size } = await stat(file);
    const damaged = (why: string) =>
      new UserError(`${file} is not a whole safetensors file (${why}); copy or download it again.`);
    const prefix = Buffer.alloc(8);
    if (size < 8) throw damaged(`it has ${size} bytes`);
    await handle.read(prefix, 0, 8, 0);
    const headerLength = Number(prefix.readBigUInt64LE());
    if (headerLength > longestHeader || 8 + headerLength > size) throw damaged('its header is cut off');
    const json = Buffer.alloc(headerLength);
    await handle.read(json, 0, headerLength, 8);
    const tensors = new Map<string, HostTensor>();
    const entries = parseHeader(json.toString('utf8'), damaged);
    const described = entries.reduce((most, [, { end }]) => Math.max(most, end), 0);
    if (8 + headerLength + described < size) throw damaged('bytes follow its last tensor');
    for (const [name, { dtype, shape, start, end }] of entries) {
      if (8 + headerLength + end > size) throw damaged(`tensor ${name} ends beyond the file`);
      if (dtype !== 'F32' && dtype !== 'I32')
        throw new UserError(`${file}: tensor ${name} is ${dtype}, and F32 is read; convert the checkpoint.`);
      if (end - start !== sizeOf(shape) * 4) throw damaged(`tensor ${name} of [${shape}] has ${end - start} bytes`);
      const data = dtype === 'F32' ? new Float32Array(sizeOf(shape)) : new Int32Array(sizeOf(shape));
      await handle.read(new Uint8Array(data.buffer), 0, data.byteLength, 8 + headerLength + start);
      tensors.set(name, { shape, data });
    }
    return tensors;
  } finally {
    await handle.close();
  }
}

function parseHeader(json: string, damaged: (why: string) => Error) {
  const header = z.record(z.string(), z.unknown()).safeParse(parsedJson(json));
  if (!header.success) throw damaged('its header is not a JSON object');
  const entries: [string, { dtype: string; shape: Shape; start: number; end: number }][] = [];
  for (const [name, value] of Object.entries(header.data)) {
    if (name === '__metadata__') continue;
    const parsed = entry.safeParse(value);
    if (!parsed.success || parsed.data.data_offsets[0] > parsed.data.data_offsets[1])
      throw damaged(`the entry of ${name} is malformed`);
    const { dtype, shape, data_offsets } = parsed.data;
    entries.push([name, { dtype, shape, start: data_offsets[0], end: data_offsets[1] }]);
  }
  let expected = 0;
  for (const [name, { start, end }] of [...entries].sort((a, b) => a[1].start - b[1].start || a[1].end - b[1].end)) {
    if (start !== expected) throw damaged(`tensor ${name} overlaps another or leaves a gap`);
    expected = end;
  }
  return entries;
}

/** What a text says as JSON; undefined where it is none. */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
