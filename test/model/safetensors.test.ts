import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { HostTensor } from '../../src/graph/tensor.ts';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';

let folder: string;
let file: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'unmask-safetensors-'));
  file = path.join(folder, 'model.safetensors');
});
after(() => rm(folder, { recursive: true }));

/** A file with this header (as JSON unless it is a string) and this number of bytes of data. */
async function written(header: unknown, data = 0, declared?: number): Promise<void> {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(declared ?? json.length));
  await writeFile(file, Buffer.concat([length, json, Buffer.alloc(data)]));
}
const f32 = (shape: unknown, begin: unknown, end: unknown) => ({ dtype: 'F32', shape, data_offsets: [begin, end] });

/** Asserts that reading fails with the message of a `UserError` that begins with the file. */
async function refused(why: RegExp): Promise<void> {
  await assert.rejects(readSafetensors(file), (error: Error) => {
    assert.equal(error.name, 'UserError');
    assert.ok(error.message.startsWith(file), error.message);
    assert.match(error.message, why);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

describe('safetensors', () => {
  it('reads back exactly what was written', async () => {
    const tensors = new Map<string, HostTensor>([
      ['odd', { shape: [3], data: Float32Array.of(-0, 1e-42, 3.4e38) }],
      ['scalar', { shape: [], data: Float32Array.of(Math.PI) }],
      ['ids', { shape: [2, 2], data: Int32Array.of(1, -2, 3, 2 ** 31 - 1) }],
      ['nothing', { shape: [0, 4], data: new Float32Array(0) }],
      ['name with "quotes" and \n line breaks', { shape: [1], data: Float32Array.of(Number.NaN) }],
      // A view of a larger buffer.
      ['window', { shape: [2], data: Float32Array.of(9, 1, 2, 9).subarray(1, 3) }],
    ]);
    await writeSafetensors(file, tensors, { metadata: { step: '7' } });
    assert.deepEqual(await readSafetensors(file), tensors);
    const bytes = await readFile(file);
    const header = Number(bytes.readBigUInt64LE());
    assert.equal((8 + header) % 8, 0, 'data begin at a multiple of eight');
    const { __metadata__: metadata } = JSON.parse(bytes.toString('utf8', 8, 8 + header));
    assert.deepEqual(metadata, { format: 'pt', step: '7' });
  });

  it('reads 16-bit numbers as f32, and rounds to them on request', async () => {
    const data = Float32Array.of(1, -0.1, 3e38, Number.NEGATIVE_INFINITY, 0, 1e-40);
    const tensors = new Map<string, HostTensor>([
      ['floats', { shape: [2, 3], data }],
      ['ids', { shape: [2], data: Int32Array.of(7, -1) }],
    ]);
    await writeSafetensors(file, tensors, { floats: 'BF16' });
    const read = await readSafetensors(file);
    assert.deepEqual(read.get('ids'), tensors.get('ids'));
    for (const [index, value] of read.get('floats')!.data.entries()) {
      const exact = data[index] as number;
      assert.ok(
        value === exact || Math.abs(value - exact) <= Math.abs(exact) / 128 + 2 ** -134,
        `${value} for ${exact}`,
      );
    }
    await written({ half: { dtype: 'F16', shape: [2], data_offsets: [0, 4] } }, 4);
    assert.deepEqual((await readSafetensors(file)).get('half')!.data, new Float32Array(2));
  });

  it('reads a header with a string of many megabytes and a duplicate entry after it', async () => {
    const text = 'x'.repeat(2e7);
    const one = JSON.stringify(f32([1], 0, 4));
    await written(`{"__metadata__":{"a":"${text}","b\\"{":"\\\\"},"w":${one}}`, 4);
    assert.deepEqual([...(await readSafetensors(file)).keys()], ['w']);
    await written(`{"__metadata__":{"a":"${text}"},"w":${one},"\\u0077":${one}}`, 4);
    await refused(/has "w" twice/);
  });

  it('reads a tensor of any name', async () => {
    await written('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4);
    assert.deepEqual([...(await readSafetensors(file)).keys()], ['__proto__']);
  });

  it('rejects a path that is not a file', async () => {
    await rm(file, { force: true });
    await mkdir(file);
    await refused(/is not a file/);
    await rm(file, { recursive: true });
  });

  it('reads tensors in any order of the header, also empty ones', async () => {
    await written({ b: f32([1], 4, 8), a: f32([1], 0, 4), empty: f32([0], 0, 0) }, 8);
    assert.deepEqual([...(await readSafetensors(file)).keys()], ['b', 'a', 'empty']);
  });

  it('rejects a file that is truncated anywhere', async () => {
    await writeSafetensors(file, new Map([['a', { shape: [4], data: Float32Array.of(1, 2, 3, 4) }]]));
    const { size } = await stat(file);
    for (const [length, why] of [
      [size - 1, /ends beyond the file/],
      [size - 16, /ends beyond the file/],
      [40, /header is cut off/],
      [8, /header is cut off/],
      [3, /it has 3 bytes/],
      [0, /it has 0 bytes/],
    ] as const) {
      await truncate(file, length);
      await refused(why);
    }
    await rm(file);
    await refused(/does not exist/);
  });

  const hostile: Readonly<Record<string, [header: unknown, data: number, why: RegExp, declared?: number]>> = {
    'a header longer than the file': [{}, 0, /header is cut off/, 1e6],
    'a header of 2^63 bytes': [{}, 0, /header is cut off/, 2 ** 63],
    'no header at all': ['', 0, /not a JSON object/],
    'a header that is not JSON': ['{"a":', 0, /not a JSON object/],
    'a header that is a list': [[1], 0, /not a JSON object/],
    'an entry that is a number': [{ a: 5 }, 0, /entry of a is malformed/],
    'an entry without offsets': [{ a: { dtype: 'F32', shape: [1] } }, 4, /entry of a is malformed/],
    'a negative extent': [{ a: f32([-1], 0, 4) }, 4, /entry of a is malformed/],
    'a fractional extent': [{ a: f32([0.5], 0, 2) }, 2, /entry of a is malformed/],
    'decreasing offsets': [{ a: f32([1], 4, 0) }, 4, /entry of a is malformed/],
    'a negative offset': [{ a: f32([1], -4, 0) }, 4, /entry of a is malformed/],
    'a shape that overflows': [{ a: f32([2 ** 30, 2 ** 30], 0, 4) }, 4, /has 4 bytes/],
    'a shape larger than its bytes': [{ a: f32([2], 0, 4) }, 4, /has 4 bytes/],
    'tensors that overlap': [{ a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8, /overlaps another or leaves a gap/],
    'the same bytes twice': [{ a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4, /overlaps another/],
    'a gap': [{ a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /leaves a gap/],
    'data before the first tensor': [{ a: f32([1], 4, 8) }, 8, /leaves a gap/],
    'bytes after the last tensor': [{ a: f32([1], 0, 4) }, 8, /bytes follow its last tensor/],
    'a tensor twice': [
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      /header has "a" twice/,
    ],
    'a field twice': [
      '{"a":{"dtype":"F32","shape":[1],"shape":[2],"data_offsets":[0,8]}}',
      8,
      /header has "shape" twice/,
    ],
    'shapes whose product overflows': [{ a: f32([2 ** 53 - 1, 2 ** 53 - 1, 0], 0, 4) }, 4, /has 4 bytes/],
    'extents beyond integers': [{ a: f32([1e300, 0], 0, 4) }, 4, /entry of a is malformed/],
    'another size than its type requires': [
      { a: { dtype: 'BF16', shape: [2], data_offsets: [0, 8] } },
      8,
      /BF16 \[2\] has 8 bytes/,
    ],
    'a name with a line break': [{ 'a\nb': f32([2], 0, 4) }, 4, /tensor "a\\nb" of F32/],
    'an unknown type': [
      { a: { dtype: 'Q4', shape: [2], data_offsets: [0, 4] } },
      4,
      /tensor a is of the unknown type Q4/,
    ],
    '64-bit integers': [{ a: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, 8, /tensor a is I64/],
  };
  for (const [name, [header, data, why, declared]] of Object.entries(hostile))
    it(`rejects ${name}`, async () => {
      await written(header, data, declared);
      await refused(why);
    });
});
