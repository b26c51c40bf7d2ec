import * as z from 'zod';
import { runLabelsSchema } from './labels.ts';
import {
  answerRecordSchema,
  evaluationDocumentSchema,
  evaluationEventSchema,
  runConfigurationSchema,
  runControlSchema,
  runHeartbeatSchema,
  runLockSchema,
  runStatusSchema,
  runWorkersSchema,
  sampleRecordSchema,
  stepEventSchema,
} from './records.ts';

const records = {
  run: ['run.json: what decides what a job does.', runConfigurationSchema],
  status: ['status.json: where a job is.', runStatusSchema],
  heartbeat: ['heartbeat.json: whether the process of a job is alive and what it is busy with.', runHeartbeatSchema],
  control: ['control.json: what somebody wants of a job.', runControlSchema],
  labels: ['labels.json: the name, tags and notes that a user gave a run.', runLabelsSchema],
  workers: ['workers.json: the workers at the queue of a run, as its trainer saw them last.', runWorkersSchema],
  lock: ['lock.json: the process that writes a run directory.', runLockSchema],
  step: ['A training step, a line of events.jsonl: finite numbers by name.', stepEventSchema],
  evaluation: ['An evaluation, a line of events.jsonl.', evaluationEventSchema],
  answer: ['An answer of an evaluation, a line of answers.jsonl.', answerRecordSchema],
  'evaluation-result': ['result.json of an evaluation.', evaluationDocumentSchema],
  sample: ['A completion, a line of samples/step-NNNNNN.jsonl.', sampleRecordSchema],
} as const;

/** The JSON Schemas (draft 2020-12) of a run directory's records, as text by file name. */
export function jsonSchemas(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(records).map(([name, [description, schema]]) => {
      const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', override: dropDatePattern });
      return [`${name}.schema.json`, `${JSON.stringify({ $schema, description, ...rest }, null, 2)}\n`];
    }),
  );
}

/** `format: date-time` is enough; the additional pattern is one line of four hundred characters. */
function dropDatePattern({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.format === 'date-time') delete jsonSchema.pattern;
}
