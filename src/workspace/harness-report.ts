import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { z } from 'zod';
import type { SandboxLimits } from '../sandbox/limits.ts';
import type { SandboxRun } from '../sandbox/sandbox.ts';
import type { TestResult, Verdict } from './verdict.ts';

/** The records that a runner inside the sandbox writes to descriptor 3, one per line, after the nonce. */
const record = z.discriminatedUnion('kind', [
  /** Written before any candidate code is loaded. */
  z.object({ kind: z.literal('started') }),
  z.object({
    kind: z.literal('test'),
    id: z.string(),
    passed: z.boolean(),
    message: z.exactOptional(z.string()),
  }),
  /**
   * The functions of a file that were called: their names and, if known, the offsets after their last characters, and the tests
   * that called each of them, as indices of the `test` records; null: also called outside of a test.
   */
  z.object({
    kind: z.literal('coverage'),
    file: z.string(),
    names: z.array(z.string()),
    ends: z.array(z.number()),
    tests: z.exactOptional(z.array(z.array(z.number()).nullable())),
  }),
  z.object({ kind: z.literal('finished') }),
]);

/** A text unknown to candidates, which proves that a report line comes from the runner. */
export const newNonce = (): string => randomBytes(16).toString('hex');

/**
 * Reads the report of a run. `expected` are the tests that must be reported, no more and no fewer; null if only the
 * runner knows them. `cpuSeconds` is the limit of the run, for messages. A test passes only if the report says so: a skipped or missing test has not passed.
 */
export function verdictOf(
  run: SandboxRun,
  nonce: string,
  expected: readonly string[] | null,
  { cpuSeconds }: Partial<SandboxLimits> = {},
): Verdict {
  const { seconds } = run;
  const { records, isWhole, isAuthentic } = readReport(run.report, nonce);
  if (!records.some(({ kind }) => kind === 'started'))
    return { outcome: 'broken', reason: `the tests did not start (${describeEnd(run, cpuSeconds)})`, seconds };
  if (!isAuthentic)
    return {
      outcome: 'failed',
      reason: 'the report was written by something other than the test runner',
      late: false,
      seconds,
    };
  if (!isWhole || records.at(-1)?.kind !== 'finished')
    return {
      outcome: 'failed',
      reason: `the test report is incomplete (${describeEnd(run, cpuSeconds)})`,
      late: endedByClock(run),
      ...(wasKilled(run) ? { killed: true } : {}),
      seconds,
    };
  const tests = records.flatMap((entry): TestResult[] => {
    if (entry.kind !== 'test') return [];
    const { kind: _, ...result } = entry;
    return [result];
  });
  const ids = tests.map(({ id }) => id).sort();
  if (expected !== null && JSON.stringify(ids) !== JSON.stringify([...expected].sort()))
    return {
      outcome: 'failed',
      reason: `the report has ${ids.length} tests instead of ${expected.length}`,
      late: false,
      seconds,
    };
  return { outcome: 'scored', tests, seconds };
}

/** The functions of a file that a run called, as far as it reports them. */
export interface Coverage {
  readonly file: string;
  readonly names: readonly string[];
  readonly ends: readonly number[];
  /** The indices of the tests that called each function; null, or absent: not known, or called outside of a test. */
  readonly tests?: readonly (readonly number[] | null)[];
}

export function coverageOf(run: SandboxRun, nonce: string): Coverage[] {
  return readReport(run.report, nonce).records.filter((entry) => entry.kind === 'coverage');
}

interface ReadReport {
  readonly records: readonly z.infer<typeof record>[];
  /** False if the last line is cut off, usually because the run was ended. */
  readonly isWhole: boolean;
  /** False if a line is not the runner's. Otherwise, spoiling a line could hide its content. */
  readonly isAuthentic: boolean;
}

function readReport(report: string, nonce: string): ReadReport {
  const lines = report.split('\n');
  const isWhole = lines.pop() === '';
  const read = lines.filter((line) => line !== '').map((line) => recordIn(line, nonce));
  const records = read.filter((entry) => entry !== null);
  return { records, isWhole, isAuthentic: records.length === read.length };
}

function recordIn(line: string, nonce: string): z.infer<typeof record> | null {
  if (!line.startsWith(`${nonce} `)) return null;
  try {
    return record.safeParse(JSON.parse(line.slice(nonce.length + 1))).data ?? null;
  } catch {
    return null;
  }
}

/** Whether a time limit ended a run: ours, or the kernel's limit on one process's CPU time. */
export const endedByClock = (run: SandboxRun): boolean => run.broken === 'time' || endedByProcessor(run);

const endedByProcessor = ({ code, signal }: SandboxRun): boolean =>
  signal === 'SIGXCPU' || code === 128 + constants.signals.SIGXCPU;

/**
 * Whether a run was killed and no limit explains it. A candidate may kill its own process, but so may the kernel of a machine that
 * has no memory left.
 */
export const wasKilled = ({ broken, code, signal }: SandboxRun): boolean =>
  broken === null && (signal === 'SIGKILL' || code === 128 + constants.signals.SIGKILL);

/** Describes how a run ended: the exceeded limit, otherwise the last error on stderr. */
function describeEnd(run: SandboxRun, cpuSeconds: number | undefined): string {
  const { broken, code, signal, stderr } = run;
  if (broken) return `exceeded the limit on ${broken}`;
  if (endedByProcessor(run)) return cpuSeconds ? `over ${cpuSeconds} CPU seconds` : 'over the limit on CPU time';
  const message = stderr
    .split('\n')
    .find((line) => /\w*(Error|error|ERROR|bwrap)\b.*:/.test(line))
    ?.trim()
    .slice(0, 200);
  return message ?? (signal ? `ended by ${signal}` : `exit code ${code}`);
}
