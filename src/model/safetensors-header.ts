import { z } from 'zod';
import { type Shape, sizeOf } from '../graph/tensor.ts';
import { duplicateKey } from '../platform/json.ts';

/** Bytes per element of every type in the format. A file with other types cannot be checked. */
const elementBytes: Readonly<Record<string, number>> = {
  ...{ BOOL: 1, U8: 1, I8: 1, F8_E4M3: 1, F8_E5M2: 1, F8_E8M0: 1 },
  ...{ U16: 2, I16: 2, F16: 2, BF16: 2 },
  ...{ U32: 4, I32: 4, F32: 4 },
  ...{ U64: 8, I64: 8, F64: 8, C64: 8 },
};

/** A tensor as described in a header. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: Shape;
  /** Its bytes in the file, [start, end). */
  readonly start: number;
  readonly end: number;
}

/** Shortens a name from a file for a message, and puts it on one line. */
export const shown = (name: string): string =>
  /^[\x21-\x7e]{1,200}$/.test(name) ? name : JSON.stringify(name.slice(0, 200));

const entry = z.object({
  dtype: z.string(),
  shape: z.array(z.int().nonnegative()),
  data_offsets: z.tuple([z.int().nonnegative(), z.int().nonnegative()]),
});

/**
 * Parses the text of a header. `data` is the position of the first tensor in the file, and `size` is the size of the file.
 * Throws `damaged(reason)` if the text is not a valid header or does not match the size of the file.
 */
export function parseHeader(
  text: string,
  { data, size, damaged }: { data: number; size: number; damaged: (why: string) => Error },
): Map<string, StoredTensor> {
  const header = jsonObject(text);
  if (!header) throw damaged('its header is not a JSON object');
  const twice = duplicateKey(text);
  if (twice !== undefined) throw damaged(`its header has ${JSON.stringify(twice)} twice`);
  const tensors = new Map<string, StoredTensor>();
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const parsed = entry.safeParse(value);
    if (!parsed.success || parsed.data.data_offsets[0] > parsed.data.data_offsets[1])
      throw damaged(`the entry of ${shown(name)} is malformed`);
    const { dtype, shape, data_offsets } = parsed.data;
    tensors.set(name, { dtype, shape, start: data + data_offsets[0], end: data + data_offsets[1] });
  }
  const inOrder = [...tensors].sort(([, a], [, b]) => a.start - b.start || a.end - b.end);
  let expected = data;
  for (const [name, { start, end }] of inOrder) {
    if (start !== expected) throw damaged(`tensor ${shown(name)} overlaps another or leaves a gap`);
    if (end > size) throw damaged(`tensor ${shown(name)} ends beyond the file`);
    expected = end;
  }
  if (expected < size) throw damaged('bytes follow its last tensor');
  for (const [name, { dtype, shape, start, end }] of tensors) {
    const bytes = Object.hasOwn(elementBytes, dtype) ? (elementBytes[dtype] as number) : undefined;
    if (bytes === undefined) throw damaged(`tensor ${shown(name)} is of the unknown type ${shown(dtype)}`);
    if (end - start !== sizeOf(shape) * bytes)
      throw damaged(`tensor ${shown(name)} of ${dtype} [${shape}] has ${end - start} bytes`);
  }
  return tensors;
}

/** Parses a JSON object; undefined if the text is not one. */
function jsonObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
