import { gunzipSync } from 'node:zlib';
import { messageOf, UserError } from '../platform/errors.ts';

/** A Parquet file begins and ends with these four bytes. */
const magic = Buffer.from('PAR1');

export const isParquet = (content: Buffer): boolean => content.subarray(0, 4).equals(magic);

/** The records of a Parquet file, uncompressed or compressed by Snappy or gzip. Throws a `UserError` if it cannot be read. */
export async function parquetRecords(content: Buffer, file: string): Promise<unknown[]> {
  // Loaded only for such files, because most commands need no Parquet.
  const { parquetReadObjects } = await import('hyparquet');
  const bytes = new Uint8Array(content).buffer as ArrayBuffer;
  try {
    const compressors = { GZIP: (compressed: Uint8Array) => new Uint8Array(gunzipSync(compressed)) };
    const records = await parquetReadObjects({ file: bytes, compressors });
    return records.map(plain);
  } catch (error) {
    throw new UserError(
      `${file} cannot be read as Parquet (${messageOf(error)}); download it again, or save it as JSON lines.`,
    );
  }
}

/** Values as JSON has them: 64-bit integers as numbers, typed arrays as lists. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (ArrayBuffer.isView(value)) return Array.from(value as Uint8Array, plain);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object' || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plain(inner)]));
}
