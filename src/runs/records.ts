import * as z from 'zod';
import type { AnswerRecord, EvaluationDocument } from '../protocol/evaluation.ts';
import type { EvaluationEvent, RunEvent, StepEvent } from '../protocol/events.ts';
import type { Interval } from '../protocol/interval.ts';
import type { RowSplit } from '../protocol/row-split.ts';
import type {
  Json,
  RunActivity,
  RunConfiguration,
  RunControl,
  RunHeartbeat,
  RunLock,
  RunStatus,
  RunWorkersRecord,
} from '../protocol/run.ts';
import type { SampleRecord } from '../protocol/sample.ts';

/**
 * The schemas that check the records of a run directory when they are read. Their shapes are those of `src/protocol`,
 * which the compiler compares; unknown fields pass, so that an older reader accepts a newer writer's files.
 */

const json: z.ZodType<Json> = z.json();
const time = z.iso.datetime();
const count = z.int().min(0);

const part = <T extends z.ZodType>(value: T) => z.looseObject({ training: value, validation: value, test: value });

export const rowSplitSchema = z.looseObject({
  data: z.string().describe('The data file, an absolute path.'),
  workspace: z.string().nullable().describe('The workspace that the rows come from; null for other data files.'),
  counts: part(count).describe('Rows per part.'),
  rows: part(z.array(z.string())).describe('The different problems of each part by digest of their content.'),
}) satisfies z.ZodType<RowSplit>;

export const runConfigurationSchema = z.looseObject({
  schema: z.literal(1).describe('Version of this shape.'),
  kind: z.enum(['tune', 'pretrain', 'fine-tune', 'evaluate', 'compare', 'discover']),
  name: z.string().min(1),
  task: z.string().nullable(),
  model: z.string().nullable().describe('A bundled name, an id, or a folder.'),
  objective: z.string().nullable().describe('The policy-gradient objective, for tuning.'),
  seed: z.int(),
  steps: count.nullable().describe('Steps to make; null where a time limit alone ends the run.'),
  stepsChanged: z.exactOptional(
    z
      .array(z.object({ at: count, from: count.nullable(), to: count }))
      .describe('If a stopped run was resumed with another number of steps.'),
  ),
  settings: z.record(z.string(), json).describe('Every hyper-parameter by name, defaults included.'),
  device: z.looseObject({ engine: z.string(), device: z.string() }),
  split: z.exactOptional(rowSplitSchema.describe('How the rows of the data file were split, by content.')),
  memory: z.exactOptional(
    z.number().min(0).describe("Bytes of the device's memory that the job takes at its peak, about."),
  ),
  versions: z.record(z.string(), z.string()),
  createdAt: time,
}) satisfies z.ZodType<RunConfiguration>;

export const runStateSchema = z.enum([
  'starting',
  'running',
  'paused',
  'stopping',
  'finished',
  'failed',
  'interrupted',
]) satisfies z.ZodType<RunStatus['state']>;

const activitySchema = z.looseObject({
  text: z.string().describe('The whole in one line.'),
  counts: z.array(z.looseObject({ name: z.string(), done: count, total: count })),
  eta: z.number().min(0).nullable().describe('Estimated seconds until this is done; null while unknown.'),
}) satisfies z.ZodType<RunActivity>;

export const runStatusSchema = z.looseObject({
  state: runStateSchema,
  step: count.describe('Steps done.'),
  steps: count.nullable().describe('Steps to do; null where a time limit alone ends the run.'),
  eta: z.number().min(0).nullable().describe('Seconds left by estimate; null while unknown.'),
  heartbeat: time,
  activity: z.exactOptional(activitySchema.describe('What the job is doing inside a step or an evaluation.')),
  pending: z.exactOptional(z.literal('pause').describe('A pause was requested; the job finishes its step first.')),
  error: z.exactOptional(z.string().describe('Why the run failed or stopped.')),
  control: z.exactOptional(z.string().describe('Id of the control request that the job noticed last.')),
}) satisfies z.ZodType<RunStatus>;

export const runHeartbeatSchema = z.looseObject({
  time,
  monotonic: z
    .exactOptional(z.number())
    .describe("Milliseconds of the machine's clock that does not jump, since the machine started."),
  pid: z.int().min(1),
  busySince: time
    .nullable()
    .describe("Since when the job's main thread has been inside one computation; null when it answers."),
  cores: z.number().min(0).describe('Processor cores that the process used since the previous heartbeat.'),
}) satisfies z.ZodType<RunHeartbeat>;

export const runControlSchema = z.looseObject({
  want: z.enum(['run', 'pause', 'stop']),
  id: z.string().min(1).describe('Names the request; status.json repeats it when the job has noticed it.'),
}) satisfies z.ZodType<RunControl>;

export const runLockSchema = z.looseObject({
  pid: z.int().min(1),
  host: z.string(),
  startedAt: time.describe('When the lock was taken.'),
  processStart: z.exactOptional(z.string().describe('Tells the process from a later one with the same number.')),
  token: z.string().min(1),
}) satisfies z.ZodType<RunLock>;

export const runWorkersSchema = z.looseObject({
  schema: z.literal(1).describe('Version of this shape.'),
  queue: z.string().describe('Address of the queue, without credentials.'),
  time,
  workers: z.array(
    z.looseObject({
      name: z.string(),
      device: z.string().describe('Engine and device.'),
      machine: z.string().describe('The kind of machine. Bit-identical results are promised within one kind.'),
      tokens_per_second: z.number().min(0).nullable().describe('Per second of computing; null: none yet.'),
      busy: z.boolean(),
      last_seen: time,
      refused: z.exactOptional(z.string().describe('Why it cannot help this run.')),
    }),
  ),
}) satisfies z.ZodType<RunWorkersRecord>;

export const stepEventSchema = z
  .object({ step: count, time: z.number().describe('Unix seconds.') })
  .catchall(z.number()) satisfies z.ZodType<StepEvent>;

const interval = z.looseObject({
  value: z.number(),
  low: z.number(),
  high: z.number(),
}) satisfies z.ZodType<Interval>;

export const evaluationEventSchema = z.looseObject({
  step: count.describe('Steps that the evaluated weights had seen.'),
  time: z.number().describe('Unix seconds.'),
  evaluation: z.looseObject({
    task: z.string(),
    split: z.string(),
    n: count,
    metrics: z.record(z.string(), interval),
    measures: z.exactOptional(z.record(z.string(), z.number())),
    seconds: z.number(),
  }),
}) satisfies z.ZodType<EvaluationEvent>;

export const sampleRecordSchema = z.looseObject({
  prompt: z.string(),
  completion: z.string(),
  rewards: z.record(z.string(), z.number()),
  report: z.exactOptional(z.unknown().describe('The reason for the rewards, if the task reports it.')),
  advantage: z.number(),
  policyVersion: count,
  seed: z.int(),
  tokens: z.array(count).describe('Token ids of the completion.'),
  revealedAt: z.array(count).describe('Denoising step, from 0, that fixed each token.'),
  confidence: z.array(z.number()).describe('Probability of each token when it was fixed.'),
  infilling: z.exactOptional(
    z
      .looseObject({
        width: count.describe('Tokens of the canvas.'),
        healedPrefix: z.string().describe('The end of the prompt that the first tokens spell (token healing).'),
        forcedTokens: count.describe('Tokens at the end of the canvas that follow the end of the middle.'),
        overwritten: z.exactOptional(
          z
            .array(z.looseObject({ position: count, token: count, revealedAt: count }))
            .describe('Tokens that were replaced when the end of the middle was revealed before them.'),
        ),
      })
      .describe('How the completion was constrained, if it was decoded as an editor decodes a gap.'),
  ),
}) satisfies z.ZodType<SampleRecord>;

/** A record also has the fields of its problem. */
export const answerRecordSchema = z.looseObject({
  problem: z.string().min(1).describe('Names the problem by its content.'),
  sample: count.describe("Which of the problem's answers this is, from 0."),
  prompt: z.string(),
  completion: z.string(),
  seed: z.int(),
  correct: z.boolean(),
  extracted: z.string().nullable().describe('The answer as it was read out of the completion.'),
  scores: z
    .record(z.string(), z.looseObject({ value: z.number(), weight: z.number() }))
    .describe('One per metric of the task; a metric is the sum of values over the sum of weights.'),
  forwards: count.describe('Forward passes that the answer took.'),
  tokens: z.array(count).describe('Token ids of the whole canvas.'),
  pieces: z.array(z.string()).describe('The text of each token.'),
  revealedAt: z.array(count).describe('Denoising step, from 0, that fixed each token.'),
  confidence: z.array(z.number()).describe('Probability of each token when it was fixed.'),
  row: z.exactOptional(
    z.record(z.string(), z.unknown()).describe("The problem's own fields that have a name of these and another value."),
  ),
}) satisfies z.ZodType<AnswerRecord>;

/** `result.json` of an evaluation. */
export const evaluationDocumentSchema = z.looseObject({
  task: z.string(),
  model: z.string(),
  n: count.describe('Number of problems.'),
  metrics: z.record(z.string(), interval),
  forwards_per_answer: z.number(),
  tokens_per_forward: z.number(),
  seconds: z.number(),
  results: z.string().describe('The file of every answer.'),
  run: z.string(),
  dir: z.string(),
}) satisfies z.ZodType<EvaluationDocument>;

/** A line of `events.jsonl`: an evaluation where it has that field, a step otherwise. */
export const runEventSchema = z.union([evaluationEventSchema, stepEventSchema]) satisfies z.ZodType<RunEvent>;
