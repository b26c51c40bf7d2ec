/** The weights of a policy on their way to workers: the bytes of the trained weights, in chunks named by their content. */
import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { type HostTensor, type Shape, sizeOf } from '../graph/tensor.ts';
import { UserError } from '../platform/errors.ts';
import { type PolicyRecord, policySchema, readMessage, runKeys, writeMessage } from './messages.ts';

/** Bytes of a chunk. */
export const chunkBytes = 8 * 2 ** 20;
/** Seconds after which the server deletes a policy that its trainer did not delete. */
const keptSeconds = 86_400;

/** A policy as bytes: the trained weights in f32, in their own order. */
export interface PolicyBytes {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export function policyBytes(weights: ReadonlyMap<string, HostTensor>): PolicyBytes {
  const parts = [...weights.values()].map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  const bytes = Buffer.concat(parts);
  return { digest: sha256(bytes), bytes };
}

/** Splits the bytes of a policy into its weights. Throws a `UserError` if their number differs. */
export function weightsOf(bytes: Uint8Array, shapes: ReadonlyMap<string, Shape>): Map<string, HostTensor> {
  const expected = [...shapes.values()].reduce((sum, shape) => sum + 4 * sizeOf(shape), 0);
  if (bytes.length !== expected)
    throw new UserError(`A policy has ${bytes.length} bytes instead of ${expected}, so it belongs to another model.`);
  const weights = new Map<string, HostTensor>();
  let begin = 0;
  for (const [name, shape] of shapes) {
    const data = new Float32Array(sizeOf(shape));
    Buffer.from(data.buffer).set(bytes.subarray(begin, begin + data.byteLength));
    begin += data.byteLength;
    weights.set(name, { shape, data });
  }
  return weights;
}

/** Stores a policy on the server, unless it is there. */
export async function publishPolicy(
  redis: Redis,
  { bytes, digest }: PolicyBytes,
  about: Omit<PolicyRecord, 'digest' | 'bytes' | 'chunks'>,
): Promise<void> {
  const keys = runKeys(about.run);
  if ((await redis.exists(keys.policy(digest))) === 1) return;
  const chunks: string[] = [];
  for (let start = 0; start < bytes.length; start += chunkBytes) {
    const chunk = bytes.subarray(start, start + chunkBytes);
    const name = sha256(chunk);
    chunks.push(name);
    await redis.set(keys.chunk(name), Buffer.from(chunk), 'EX', keptSeconds);
  }
  const record: PolicyRecord = { ...about, digest, bytes: bytes.length, chunks };
  await redis.set(keys.policy(digest), writeMessage(record), 'EX', keptSeconds);
}

/** Deletes a policy from the server, except the chunks that the policies `kept` have too. */
export async function removePolicy(
  redis: Redis,
  run: string,
  digest: string,
  kept: readonly string[] = [],
): Promise<void> {
  const keys = runKeys(run);
  const chunksOf = async (of: string) => {
    const record = await redis.get(keys.policy(of));
    return record === null ? [] : readMessage(policySchema, record).chunks;
  };
  const still = new Set((await Promise.all(kept.map(chunksOf))).flat());
  const unused = (await chunksOf(digest)).filter((chunk) => !still.has(chunk));
  await redis.del(keys.policy(digest), ...unused.map(keys.chunk));
}

/** Reads a policy from the server and checks every byte. Throws a `UserError` if a part is missing or damaged. */
export async function fetchPolicy(redis: Redis, run: string, digest: string): Promise<Uint8Array> {
  const keys = runKeys(run);
  const stored = await redis.get(keys.policy(digest));
  if (stored === null) throw new UserError('The policy of this job is no longer on the server.');
  const record = readMessage(policySchema, stored);
  const bytes = Buffer.alloc(record.bytes);
  let length = 0;
  for (const name of record.chunks) {
    const chunk = await redis.getBuffer(keys.chunk(name));
    if (chunk === null) throw new UserError('A part of the policy is no longer on the server.');
    if (chunk.length > chunkBytes || length + chunk.length > bytes.length || sha256(chunk) !== name)
      throw new UserError('A part of the policy is damaged.');
    chunk.copy(bytes, length);
    length += chunk.length;
  }
  if (length !== bytes.length || sha256(bytes) !== digest) throw new UserError('The policy is damaged.');
  return bytes;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
