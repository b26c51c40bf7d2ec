/**
 * The messages between a trainer and its workers. They are data only. Every message is checked against its schema and its size
 * before it is used, because anybody who can write to the Redis server can send one.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { revealOrders } from '../diffusion/reveal-rules.ts';
import { loraTargets } from '../model/lora.ts';
import { precisions } from '../model/precision.ts';
import { UserError } from '../platform/errors.ts';
import { invalidValue } from '../platform/invalid-value.ts';
import { anyNumber, exactJson, fromExactJson } from '../shards/exact-json.ts';

/** The longest message, in characters. */
const longestMessage = 64 * 2 ** 20;
const longestText = 4 * 2 ** 20;
const mostCompletions = 1024;

const text = z.string().max(longestText);
const name = z.string().min(1).max(500);
/** The name of a worker; `here` is the trainer itself. */
const workerName = z.string().regex(/^(?!here$)[\w.-]{1,100}$/);
const digest = z.string().regex(/^[0-9a-f]{64}$/);
const runId = z.string().regex(/^[0-9a-f]{16}$/);
const count = z.int().min(0);

const decoding = z.strictObject({
  order: z.enum(revealOrders),
  length: z.int().min(1).max(65_536),
  block: z.int().min(1).max(65_536),
  steps: z.int().min(1).max(65_536),
  threshold: z.number().gt(0).max(1),
  factor: z.number().optional(),
  entropyBound: z.number().optional(),
  temperature: z.number().min(0),
  infilling: z.exactOptional(z.literal('editor')),
});

/** A run that wants workers, under `unmask:run:ID`. Workers decide by it whether they can help. */
export const announcedRunSchema = z.strictObject({
  id: runId,
  /** The name of its folder. */
  run: name,
  task: name,
  /** The version of Unmask, which also determines those of the engine. */
  version: name,
  /** The model that the run started from, by the name under which a worker looks for it. */
  model: z.strictObject({
    name,
    /** Digest of its weights, its configuration and its decoding defaults. */
    digest: name,
    /** The adapter that is trained; null: all weights are trained. */
    adapter: z
      .strictObject({
        rank: z.int().min(1).max(65_536),
        alpha: z.number(),
        targets: z.array(z.enum(loraTargets)),
        tokens: z.exactOptional(z.array(count).max(1_000_000)),
        precision: z.enum(precisions),
      })
      .nullable(),
  }),
  /** Whether workers may also compute rewards. */
  rewards: z.boolean(),
});
export type AnnouncedRun = z.infer<typeof announcedRunSchema>;

/** A version of the policy, under `unmask:ID:policy:DIGEST`. Its bytes are in chunks, each under its own digest. */
export const policySchema = z.strictObject({
  run: runId,
  /** Number of times that the run was started or resumed; only logged. */
  incarnation: z.string().max(100),
  /** Number of updates that the policy had. */
  version: count,
  /** SHA-256 of all bytes. */
  digest,
  kind: z.enum(['adapter', 'full']),
  base: name,
  bytes: z
    .int()
    .min(1)
    .max(2 ** 40),
  chunks: z.array(digest).min(1).max(200_000),
});
export type PolicyRecord = z.infer<typeof policySchema>;

/** A group to be generated: completions of one prompt. */
export const rolloutJobSchema = z.strictObject({
  kind: z.literal('rollouts'),
  run: runId,
  step: count,
  task: name,
  prompt: text,
  suffix: text,
  policy: digest,
  seeds: z.array(count).min(1).max(mostCompletions),
  decoding,
});
export type RolloutMessage = z.infer<typeof rolloutJobSchema>;

/** Completions to be scored. */
export const rewardJobSchema = z.strictObject({
  kind: z.literal('rewards'),
  run: runId,
  task: name,
  format: z.enum(['tagged', 'plain', 'chat']),
  requests: z
    .array(z.strictObject({ row: z.unknown(), completion: text, reward: name }))
    .min(1)
    .max(mostCompletions),
});
export type RewardMessage = z.infer<typeof rewardJobSchema>;

/** The machine and the program that computed a result. Bit-identical results are promised within one kind only. */
const computedBy = {
  /** The id of the job. */
  id: digest,
  worker: workerName,
  /** The kind of machine: see `machineKind`. */
  machine: name,
  seconds: z.number().min(0),
};

/** Bytes of an Int32Array or a Float32Array in Base64. */
const bytes = z.base64().max(longestText);

const canvas = z.strictObject({
  tokens: bytes,
  revealedAt: bytes,
  confidence: bytes,
  entropy: bytes,
  forwards: count,
  overwritten: z.exactOptional(
    z.array(z.strictObject({ position: count, token: count, revealedAt: z.int(), entropy: anyNumber })).max(1_000_000),
  ),
});

const reward = z.strictObject({
  total: anyNumber,
  parts: z.record(z.string().max(500), anyNumber),
  passed: z.exactOptional(z.boolean()),
  forged: z.exactOptional(text),
  report: z.exactOptional(z.unknown()),
});

export const resultSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('rollouts'),
    ...computedBy,
    /** Tokens that the model's passes read. */
    tokens: count,
    canvases: z.array(canvas).min(1).max(mostCompletions),
  }),
  z.strictObject({
    kind: z.literal('rewards'),
    ...computedBy,
    rewards: z.array(z.union([reward, z.strictObject({ broken: text })])).max(mostCompletions),
  }),
]);
export type ResultMessage = z.infer<typeof resultSchema>;
export type CanvasMessage = z.infer<typeof canvas>;

/** A worker that is running, under `unmask:worker:NAME`. */
export const workerSchema = z.strictObject({
  name: workerName,
  device: name,
  machine: name,
  roles: z.array(z.enum(['rollouts', 'rewards'])),
  tokens_per_second: z.number().min(0).nullable(),
  busy: z.boolean(),
  last_seen: z.iso.datetime(),
  /** Runs that it cannot help, with the reasons. */
  refused: z.array(z.strictObject({ run: runId, reason: z.string().max(2_000) })).max(100),
});
export type WorkerRecord = z.infer<typeof workerSchema>;

/** Writes a message. */
export const writeMessage = (message: unknown): string => exactJson(message);

/** Reads a message from outside. Throws a `UserError` if it is too long, damaged or of another shape. */
export function readMessage<T>(schema: z.ZodType<T>, message: string): T {
  if (message.length > longestMessage)
    throw new UserError(`A message of ${message.length} characters is longer than ${longestMessage}; it was dropped.`);
  let value: unknown;
  try {
    value = fromExactJson(message);
  } catch {
    throw new UserError('A message is not valid JSON; it was dropped.');
  }
  const parsed = schema.safeParse(value, { error: invalidValue });
  if (parsed.success) return parsed.data;
  const { path, message: why } = parsed.error.issues[0]!;
  const field = path.length === 0 ? 'it' : path.join('.');
  throw new UserError(`A message was dropped because ${field} ${why}.`);
}

/** The identity of a job: everything that determines its result. Two jobs with the same identity have the same result. */
export const jobId = (job: RolloutMessage | RewardMessage): string =>
  createHash('sha256').update(writeMessage(job)).digest('hex');

/** The names of a run's queues, and of its keys on the server. */
export const runKeys = (id: string) => ({
  announcement: `unmask:run:${id}`,
  rollouts: `rollouts-${id}`,
  rewards: `rewards-${id}`,
  results: `results-${id}`,
  policy: (policy: string) => `unmask:${id}:policy:${policy}`,
  chunk: (chunk: string) => `unmask:${id}:chunk:${chunk}`,
});

/** Sets with the ids of announced runs, and with the names of workers. */
export const registry = {
  runs: 'unmask:runs',
  workers: 'unmask:workers',
  worker: (of: string) => `unmask:worker:${of}`,
};
