/**
 * Event files as TensorBoard reads them: records of protocol buffers
 * (https://github.com/tensorflow/tensorboard/tree/master/tensorboard/compat/proto, event.proto and summary.proto), each framed as a
 * TFRecord with masked CRC-32C checksums.
 */
import protobuf from 'protobufjs/light.js';
import { maskedCrc32c } from './crc32c.ts';

/** The messages and fields that are written, by their field numbers. */
const root = protobuf.Root.fromJSON({
  nested: {
    Event: {
      fields: {
        wallTime: { type: 'double', id: 1 },
        step: { type: 'int64', id: 2 },
        fileVersion: { type: 'string', id: 3 },
        summary: { type: 'Summary', id: 5 },
        sessionLog: { type: 'SessionLog', id: 7 },
      },
    },
    SessionLog: { fields: { status: { type: 'int32', id: 1 } } },
    Summary: { fields: { value: { rule: 'repeated', type: 'Value', id: 1 } } },
    Value: {
      // A member of a oneof is written even if it is 0.
      oneofs: { value: { oneof: ['simpleValue', 'histo', 'tensor'] } },
      fields: {
        tag: { type: 'string', id: 1 },
        simpleValue: { type: 'float', id: 2 },
        histo: { type: 'HistogramProto', id: 5 },
        tensor: { type: 'TensorProto', id: 8 },
        metadata: { type: 'SummaryMetadata', id: 9 },
      },
    },
    HistogramProto: {
      fields: {
        min: { type: 'double', id: 1 },
        max: { type: 'double', id: 2 },
        num: { type: 'double', id: 3 },
        sum: { type: 'double', id: 4 },
        sumSquares: { type: 'double', id: 5 },
        bucketLimit: { rule: 'repeated', type: 'double', id: 6 },
        bucket: { rule: 'repeated', type: 'double', id: 7 },
      },
    },
    SummaryMetadata: { fields: { pluginData: { type: 'PluginData', id: 1 } } },
    PluginData: { fields: { pluginName: { type: 'string', id: 1 } } },
    TensorProto: {
      fields: {
        dtype: { type: 'int32', id: 1 },
        tensorShape: { type: 'TensorShapeProto', id: 2 },
        stringVal: { rule: 'repeated', type: 'bytes', id: 8 },
      },
    },
    TensorShapeProto: { fields: { dim: { rule: 'repeated', type: 'Dim', id: 2 } } },
    Dim: { fields: { size: { type: 'int64', id: 1 } } },
  },
});
const eventType = root.lookupType('Event');

/** Something that TensorBoard shows under a tag: a number, a text in Markdown, or the distribution of some numbers. */
export type Summary = { readonly tag: string } & (
  | { readonly scalar: number }
  | { readonly text: string }
  | { readonly values: readonly number[] }
);

/** The first record of a file. */
export const fileStart = (time: number): Buffer => record({ wallTime: time, fileVersion: 'brain.Event:2' });

/** A record after which earlier files of the same folder count for steps before `step` only. */
export const restartAt = (time: number, step: number): Buffer =>
  record({ wallTime: time, step, sessionLog: { status: 1 } });

/** A record of summaries at a step. `time` is in Unix seconds. */
export const summaryRecord = (time: number, step: number, summaries: readonly Summary[]): Buffer =>
  record({ wallTime: time, step, summary: { value: summaries.map(valueFields) } });

function valueFields(summary: Summary) {
  const { tag } = summary;
  if ('scalar' in summary) return { tag, simpleValue: summary.scalar };
  if ('values' in summary) return { tag, histo: histogram(summary.values) };
  const stringType = 7;
  return {
    tag,
    metadata: { pluginData: { pluginName: 'text' } },
    tensor: { dtype: stringType, tensorShape: { dim: [{ size: 1 }] }, stringVal: [Buffer.from(summary.text)] },
  };
}

/** Number of buckets of a histogram. */
const buckets = 30;

/** Counts in buckets of equal width from the least to the greatest number. A bucket includes its lower limit. */
function histogram(values: readonly number[]) {
  const min = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const max = values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
  const count = max > min ? buckets : 1;
  const width = (max - min) / count;
  const bucket = new Array<number>(count).fill(0);
  for (const value of values) {
    const index = width === 0 ? 0 : Math.min(count - 1, Math.floor((value - min) / width));
    bucket[index] = (bucket[index] as number) + 1;
  }
  return {
    ...{ min, max, num: values.length, bucket },
    sum: values.reduce((sum, value) => sum + value, 0),
    sumSquares: values.reduce((sum, value) => sum + value ** 2, 0),
    bucketLimit: bucket.map((_, index) => (index === count - 1 ? max : min + (index + 1) * width)),
  };
}

/** A TFRecord: length (uint64), its masked CRC-32C, the content, its masked CRC-32C; all little-endian. */
function record(event: object): Buffer {
  const content = eventType.encode(eventType.fromObject(event)).finish();
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(content.length));
  head.writeUInt32LE(maskedCrc32c(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc32c(content));
  return Buffer.concat([head, content, tail]);
}
