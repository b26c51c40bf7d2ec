import { open, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import path from 'node:path';
import { messageOf } from '../platform/errors.ts';
import type { AnswerRecord } from '../protocol/evaluation.ts';
import type { EvaluationEvent, RunEvent, StepEvent } from '../protocol/events.ts';
import type { LiveStatus, RunHeartbeat, RunState, RunSummary } from '../protocol/run.ts';
import type { SampleRecord } from '../protocol/sample.ts';
import { readConfiguration } from './directory.ts';
import { parseJsonLines, readJsonLines } from './json-lines.ts';
import { readLabels } from './labels.ts';
import { namesIn, runFile, stepName, stepsIn } from './layout.ts';
import { lockHolder } from './lock.ts';
import { readRecord, readRecordIfThere } from './read-record.ts';
import {
  answerRecordSchema,
  runEventSchema,
  runHeartbeatSchema,
  runStatusSchema,
  sampleRecordSchema,
} from './records.ts';

/** Milliseconds without a heartbeat after which a run that no process holds counts as interrupted. */
const staleAfter = 5_000;
/** Milliseconds without a heartbeat after which an existing process counts as silent: it is suspended or hung. */
const silentAfter = 15_000;

/** Whether a state is final: no process works on the run any more. */
export const isOver = (state: RunState): boolean => ['finished', 'failed', 'interrupted'].includes(state);

/** Whether a line of the event log is an evaluation; a training step otherwise. */
export const isEvaluation = (event: RunEvent): event is EvaluationEvent => typeof event.evaluation === 'object';

/** All events of a run, in the order they were written. */
export async function readEvents(dir: string): Promise<RunEvent[]> {
  return readJsonLines(runFile(dir).events, runEventSchema);
}

/** The training steps among events. */
export const stepsOf = (events: readonly RunEvent[]): StepEvent[] =>
  events.filter((event): event is StepEvent => !isEvaluation(event));

/** The evaluations among events. */
export const evaluationsOf = (events: readonly RunEvent[]): EvaluationEvent[] => events.filter(isEvaluation);

/** A read position in an event log. The file's identity shows whether a resumed run has rewritten it. */
export interface EventCursor {
  readonly file: number;
  readonly offset: number;
}

/**
 * The events that were written since `cursor` (null: all). If `rewound` is true, the log was reset to an earlier step,
 * and `events` holds the complete log.
 */
export async function readNewEvents(
  dir: string,
  cursor: EventCursor | null,
): Promise<{ events: RunEvent[]; cursor: EventCursor | null; rewound: boolean }> {
  const file = runFile(dir).events;
  const found = await stat(file).catch(() => null);
  if (found === null) return { events: [], cursor: null, rewound: cursor !== null };
  const handle = await open(file, 'r');
  try {
    const { ino, size } = await handle.stat();
    const rewound = cursor !== null && (cursor.file !== ino || cursor.offset > size);
    const start = cursor === null || rewound ? 0 : cursor.offset;
    const bytes = Buffer.alloc(size - start);
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
    const complete = bytes.subarray(0, bytes.subarray(0, bytesRead).lastIndexOf('\n') + 1);
    const events = parseJsonLines(complete.toString('utf8'), runEventSchema, file);
    return { events, cursor: { file: ino, offset: start + complete.length }, rewound };
  } finally {
    await handle.close();
  }
}

/** The steps that have samples, ascending. */
export async function sampleSteps(dir: string): Promise<number[]> {
  return stepsIn(runFile(dir).samples);
}

export async function readSamples(dir: string, step: number): Promise<SampleRecord[]> {
  return readJsonLines(path.join(runFile(dir).samples, `${stepName(step)}.jsonl`), sampleRecordSchema);
}

/** The answers of an evaluation, in the order they were written. */
export async function readAnswers(dir: string): Promise<AnswerRecord[]> {
  return readJsonLines(runFile(dir).answers, answerRecordSchema);
}

/**
 * The state of a run: `status.json` with what `heartbeat.json` adds to it, and `interrupted` if the process that had to
 * write them is dead. A process that computes for a long time writes no `status.json`; its heartbeat thread says since
 * when it has been busy.
 */
export async function readStatus(dir: string): Promise<LiveStatus> {
  const status = await readRecord(runFile(dir).status, runStatusSchema);
  if (isOver(status.state)) return status;
  const heartbeat = await readHeartbeat(dir);
  const last = [status.heartbeat, heartbeat?.time ?? ''].reduce((a, b) => (a > b ? a : b));
  const holder = await lockHolder(dir);
  if (holder !== null) {
    // A killed process leaves its heartbeat; it says nothing about the process that resumed the run.
    if (heartbeat?.pid !== holder.pid) return { ...status, heartbeat: last };
    const age = ageOf(heartbeat, holder.host);
    const { busySince, cores } = heartbeat;
    return {
      ...status,
      heartbeat: last,
      cores,
      ...(busySince === null ? {} : { busySince }),
      ...(age > silentAfter ? { silentSince: last } : {}),
    };
  }
  // A heartbeat from the future was written before the clock was set back.
  if (Math.abs(Date.now() - Date.parse(last)) < staleAfter) return { ...status, heartbeat: last };
  // The process may have ended normally between the two reads.
  const { activity, pending, ...again } = await readRecord(runFile(dir).status, runStatusSchema);
  return isOver(again.state) ? again : { ...again, state: 'interrupted', eta: null };
}

/** Milliseconds since a heartbeat. On its own machine, by a clock that does not jump. */
function ageOf({ time, monotonic }: RunHeartbeat, host: string): number {
  if (monotonic === undefined || host !== hostname()) return Date.now() - Date.parse(time);
  return Number(process.hrtime.bigint() / 1_000_000n) - monotonic;
}

/** The last heartbeat of a run; null if there is none, or if it cannot be read: `status.json` has one as well. */
async function readHeartbeat(dir: string): Promise<RunHeartbeat | null> {
  return readRecordIfThere(runFile(dir).heartbeat, runHeartbeatSchema).catch(() => null);
}

/** What a list shows of one run; a broken file becomes its `error`, so that the list shows the other runs. */
export async function summarizeRun(dir: string): Promise<RunSummary> {
  const problems: string[] = [];
  const nullIfUnreadable = <T>(reading: Promise<T>): Promise<T | null> =>
    reading.catch((error: unknown) => {
      problems.push(messageOf(error));
      return null;
    });
  const configuration = await nullIfUnreadable(readConfiguration(dir));
  const status = await nullIfUnreadable(readStatus(dir));
  const labels = await nullIfUnreadable(readLabels(dir));
  const error = status?.error ?? problems[0];
  const { activity, pending, busySince, cores, silentSince } = status ?? {};
  return {
    run: path.basename(dir),
    name: labels?.name ?? configuration?.name ?? path.basename(dir),
    ...(labels && labels.tags.length > 0 ? { tags: labels.tags } : {}),
    ...(labels?.notes === undefined ? {} : { notes: labels.notes }),
    dir,
    state: status?.state ?? 'interrupted',
    step: status?.step ?? 0,
    steps: status?.steps ?? configuration?.steps ?? null,
    eta: status?.eta ?? null,
    ...(activity === undefined ? {} : { activity }),
    ...(pending === undefined ? {} : { pending }),
    ...(busySince === undefined ? {} : { busySince }),
    ...(cores === undefined ? {} : { cores }),
    ...(silentSince === undefined ? {} : { silentSince }),
    kind: configuration?.kind ?? null,
    task: configuration?.task ?? null,
    model: configuration?.model ?? null,
    objective: configuration?.objective ?? null,
    device: configuration?.device ?? null,
    memory: configuration?.memory ?? null,
    createdAt: configuration?.createdAt ?? null,
    ...(error === undefined ? {} : { error }),
  };
}

/** The runs under a folder, newest first. Other entries are skipped. */
export async function listRuns(root: string): Promise<RunSummary[]> {
  const names = (await namesIn(root)).sort().reverse();
  const runs: RunSummary[] = [];
  for (const name of names) {
    const dir = path.join(root, name);
    const entry = await stat(runFile(dir).configuration).catch(() => null);
    if (entry?.isFile()) runs.push(await summarizeRun(dir));
  }
  return runs;
}
