import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder } from '../vscode/test-cache.ts';

const run = promisify(execFile);

/** A field of a protocol buffer: a number of one of three widths, or the bytes of a text or a message. */
type Field = { readonly id: number } & ({ readonly number: number | bigint } | { readonly bytes: Buffer });

/** CRC-32C bit by bit, without a table, to check the program's own. */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

function masked(bytes: Uint8Array): number {
  const crc = BigInt(slowCrc32c(bytes));
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The contents of the records of a TFRecord file, whose checksums must be right. */
export function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length; ) {
    const length = Number(file.readBigUInt64LE(at));
    assert.equal(file.readUInt32LE(at + 8), masked(file.subarray(at, at + 8)), `checksum of the length at ${at}`);
    const content = file.subarray(at + 12, at + 12 + length);
    assert.equal(content.length, length, `a whole record at ${at}`);
    assert.equal(file.readUInt32LE(at + 12 + length), masked(content), `checksum of the record at ${at}`);
    records.push(content);
    at += 16 + length;
  }
  return records;
}

/** The fields of a message, by the wire format of protocol buffers. */
export function fieldsOf(message: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const key = Number(varint());
    const id = key >> 3;
    const type = key & 7;
    if (type === 0) fields.push({ id, number: varint() });
    else if (type === 1) {
      fields.push({ id, number: message.readDoubleLE(at) });
      at += 8;
    } else if (type === 5) {
      fields.push({ id, number: message.readFloatLE(at) });
      at += 4;
    } else {
      assert.equal(type, 2, 'a known wire type');
      const length = Number(varint());
      fields.push({ id, bytes: message.subarray(at, at + length) });
      at += length;
    }
  }
  return fields;
}

/** A summary of an event file, as this reader finds it. */
export interface ReadSummary {
  readonly step: number;
  readonly tag: string;
  readonly scalar?: number;
  readonly text?: string;
  readonly histogram?: { readonly num: number; readonly sum: number; readonly counts: readonly number[] };
}

/** What an event file holds: its version, whether it restarts, and all summaries in order. */
export function readTfevents(file: Buffer) {
  const events = recordsOf(file).map(fieldsOf);
  const bytesOf = (fields: readonly Field[], id: number) =>
    fields.flatMap((field) => (field.id === id && 'bytes' in field ? [field.bytes] : []));
  const numberOf = (fields: readonly Field[], id: number) =>
    fields.flatMap((field) => (field.id === id && 'number' in field ? [Number(field.number)] : []))[0];
  const doubles = (bytes: Buffer) =>
    Array.from({ length: bytes.length / 8 }, (_, index) => bytes.readDoubleLE(8 * index));
  const summaries = events.flatMap((event) =>
    bytesOf(event, 5).flatMap((summary) =>
      bytesOf(fieldsOf(summary), 1).map((value): ReadSummary => {
        const fields = fieldsOf(value);
        const [tag] = bytesOf(fields, 1);
        const scalar = numberOf(fields, 2);
        const [histo] = bytesOf(fields, 5);
        const [tensor] = bytesOf(fields, 8);
        const parts = histo && fieldsOf(histo);
        return {
          step: numberOf(event, 2) ?? 0,
          tag: tag!.toString(),
          ...(scalar === undefined ? {} : { scalar }),
          ...(tensor === undefined ? {} : { text: bytesOf(fieldsOf(tensor), 8)[0]!.toString() }),
          ...(parts === undefined
            ? {}
            : {
                histogram: {
                  num: numberOf(parts, 3) ?? 0,
                  sum: numberOf(parts, 4) ?? 0,
                  counts: bytesOf(parts, 7).flatMap(doubles),
                },
              }),
        };
      }),
    ),
  );
  return {
    version: bytesOf(events[0]!, 3)[0]?.toString(),
    restarts: events.filter((event) => bytesOf(event, 7).length > 0).length,
    times: events.map((event) => numberOf(event, 1)),
    summaries,
  };
}

/** TensorBoard and what its reader of event files imports. */
const packages = ['tensorboard==2.21.0', 'protobuf==7.36.2', 'numpy', 'packaging', 'absl-py==2.5.1'];

/** The folder with TensorBoard's Python package (90 MB), installed once into the test cache, or why it is missing. */
export async function tensorboardPackage(): Promise<{ readonly folder: string } | { readonly missing: string }> {
  const folder = path.join(cacheFolder(), 'tensorboard-2.21.0');
  if (existsSync(folder)) return { folder };
  await mkdir(cacheFolder(), { recursive: true });
  const unfinished = await mkdtemp(path.join(cacheFolder(), 'tensorboard-'));
  try {
    const options = ['--no-deps', '--only-binary=:all:', '--retries', '1', '--quiet', '--target', unfinished];
    await run('python3', ['-m', 'pip', '--disable-pip-version-check', 'install', ...options, ...packages], {
      timeout: 300_000,
    });
    await rename(unfinished, folder);
    return { folder };
  } catch (error) {
    if (existsSync(folder)) return { folder };
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (stderr === undefined && code !== 'ENOENT') throw error;
    const said = (stderr ?? '').trim().split('\n').at(-1) || 'there is no python3';
    return { missing: `pip cannot install TensorBoard (${said})` };
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}

const program = `
import json, sys
from tensorboard.backend.event_processing import event_accumulator
found = event_accumulator.EventAccumulator(sys.argv[1], size_guidance={'tensors': 0, 'histograms': 0, 'scalars': 0})
found.Reload()
tags = found.Tags()
print(json.dumps({
    'scalars': {tag: [[e.step, e.value] for e in found.Scalars(tag)] for tag in tags['scalars']},
    'histograms': {tag: [[e.step, e.histogram_value.num, e.histogram_value.sum, list(e.histogram_value.bucket)] for e in found.Histograms(tag)] for tag in tags['histograms']},
    'texts': {tag: [[e.step, e.tensor_proto.string_val[0].decode()] for e in found.Tensors(tag)] for tag in tags['tensors']},
    'plugins': {tag: found.SummaryMetadata(tag).plugin_data.plugin_name for tag in tags['tensors']},
}))
`;

/** What TensorBoard's own reader finds in the event files of a folder. */
export async function readWithTensorboard(packageFolder: string, folder: string) {
  const env = { ...process.env, PYTHONPATH: packageFolder, PYTHONDONTWRITEBYTECODE: '1' };
  const { stdout } = await run('python3', ['-c', program, folder], { env, maxBuffer: 2 ** 26, timeout: 120_000 });
  return JSON.parse(stdout) as {
    readonly scalars: Readonly<Record<string, readonly [number, number][]>>;
    readonly histograms: Readonly<Record<string, readonly [number, number, number, number[]][]>>;
    readonly texts: Readonly<Record<string, readonly [number, string][]>>;
    readonly plugins: Readonly<Record<string, string>>;
  };
}
