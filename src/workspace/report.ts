import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import { z } from 'zod';
import type { SandboxRun } from '../sandbox/sandbox.ts';
import type { TestResult, Verdict } from './verdict.ts';

/** What a runner inside of the sandbox writes to descriptor 3, a line each, behind the nonce. */
const record = z.discriminatedUnion('kind', [
  /** Before anything of the candidate's is loaded. */
  z.object({ kind: z.literal('started') }),
  z.object({
    kind: z.literal('test'),
    id: z.string(),
    passed: z.boolean(),
    message: z.exactOptional(z.string()),
  }),
  /** Functions of a file that were called: their names, and where known the places behind their last characters. */
  z.object({
    kind: z.literal('coverage'),
    file: z.string(),
    names: z.array(z.string()),
    ends: z.array(z.number()),
  }),
  z.object({ kind: z.literal('finished') }),
]);

/** A text that no candidate knows, with which a line of a report shows that it is the runner's. */
export const newNonce = (): string => randomBytes(16).toString('hex');

/**
 * Reads the report of a run. `expected` are the tests that must be reported, no more and no fewer; null where the runner
 * alone knows. A pass is only what the report says passed: a test that was skipped or that did not run is not.
 */
export function verdictOf(run: SandboxRun, nonce: string, expected: readonly string[] | null): Verdict {
  const { seconds } = run;
  const { records, isWhole, isOwn } = readReport(run.report, nonce);
  if (!records.some(({ kind }) => kind === 'started'))
    return { outcome: 'broken', reason: `the tests did not start (${endOf(run)})`, seconds };
  if (!isOwn) return { outcome: 'failed', reason: 'something else wrote into the report', late: false, seconds };
  if (!isWhole || records.at(-1)?.kind !== 'finished')
    return { outcome: 'failed', reason: `no whole report (${endOf(run)})`, late: isLate(run), seconds };
  const tests = records.flatMap((entry): TestResult[] => {
    if (entry.kind !== 'test') return [];
    const { kind: _, ...result } = entry;
    return [result];
  });
  const ids = tests.map(({ id }) => id).sort();
  if (expected !== null && JSON.stringify(ids) !== JSON.stringify([...expected].sort()))
    return {
      outcome: 'failed',
      reason: `${ids.length} tests ran where ${expected.length} should`,
      late: false,
      seconds,
    };
  return { outcome: 'scored', tests, seconds };
}

/** What was called in a file, as far as a run tells. */
export interface Coverage {
  readonly file: string;
  readonly names: readonly string[];
  readonly ends: readonly number[];
}

export function coverageOf(run: SandboxRun, nonce: string): Coverage[] {
  return readReport(run.report, nonce).records.filter((entry) => entry.kind === 'coverage');
}

interface ReadReport {
  readonly records: readonly z.infer<typeof record>[];
  /** False where its last line was cut off, by the end of the run as a rule. */
  readonly isWhole: boolean;
  /** False where a line is not the runner's: who spoils one hides what it said. */
  readonly isOwn: boolean;
}

function readReport(report: string, nonce: string): ReadReport {
  const lines = report.split('\n');
  const isWhole = lines.pop() === '';
  const read = lines.filter((line) => line !== '').map((line) => recordIn(line, nonce));
  const records = read.filter((entry) => entry !== null);
  return { records, isWhole, isOwn: records.length === read.length };
}

function recordIn(line: string, nonce: string): z.infer<typeof record> | null {
  if (!line.startsWith(`${nonce} `)) return null;
  try {
    return record.safeParse(JSON.parse(line.slice(nonce.length + 1))).data ?? null;
  } catch {
    return null;
  }
}

/** Whether a clock ended a run: ours, or the kernel's, which counts what one process computes. */
const isLate = ({ broken, code, signal }: SandboxRun): boolean =>
  broken === 'time' || signal === 'SIGXCPU' || code === 128 + constants.signals.SIGXCPU;

/** How a run ended, for people: the limit that it broke, else what it wrote last on stderr. */
function endOf({ broken, code, signal, stderr }: SandboxRun): string {
  if (broken) return `over the limit on ${broken}`;
  const said = stderr
    .split('\n')
    .find((line) => /\w*(Error|error|bwrap)\b.*:/.test(line))
    ?.trim()
    .slice(0, 200);
  return said ?? (signal ? `ended by ${signal}` : `exit code ${code}`);
}
