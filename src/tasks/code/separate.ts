/**
 * Tests of the task `code` that run outside the process of the candidate. Each candidate has its own sandbox and process.
 * Tests and expected values stay in the process of another sandbox; calls of the candidate's functions are answered over a socket
 * with structured clones (docs/security.md).
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Interrupted, isInterruption } from '../../platform/errors.ts';
import { firstConnection, type Sandbox, type SandboxJob, type SandboxRun } from '../../sandbox/sandbox.ts';
import { stripTypes } from '../../syntax/strip-types.ts';
import { type Harness, readHarness } from '../../workspace/harness.ts';
import { endedByClock, newNonce, verdictOf, wasKilled } from '../../workspace/harness-report.ts';
import { nodeToolchain } from '../../workspace/toolchains.ts';
import { isWorthRepeating, type Verdict } from '../../workspace/verdict.ts';
import { visibleNames } from './program.ts';
import { type CodeRow, isScript, usesModules } from './row.ts';

/** Number of candidates that one test process judges one after the other, because starting a process takes time. */
export const candidatesPerRun = 8;

interface RunLimits {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly memoryMiB: number;
}

/** `shared`: the tests exchange values that cannot be copied to another process. */
export type SeparateVerdict = Verdict | { readonly outcome: 'shared' };

/** Types and syntax of values that exist in one process only: functions, generators, iterators, classes and their instances. */
const onlyInOneProcess =
  /=>|\bFunction\b|\b(Async)?(Generator|Iterator|Iterable|IterableIterator)\b|\bfunction\s*\*|^\s*(export\s+)?(abstract\s+)?class\s|\bsymbol\b|\bWeak(Map|Set|Ref)\b|\bPromise\s*<\s*\(/m;

/**
 * Whether the tests of a row can run in another process than a candidate. The types of its prompt decide if there are any,
 * so that a candidate cannot choose by what it returns.
 */
export const isSeparable = (row: CodeRow): boolean =>
  row.language !== 'python' &&
  row.unit_tests === undefined &&
  !onlyInOneProcess.test([row.prompt, row.declaration, row.suffix].join('\n'));

/** Identifies how these tests run, for caches. */
export async function separateVersion(): Promise<string> {
  const [candidate, tests] = await Promise.all([candidateHarness(), testHarness()]);
  return `${nodeToolchain().version} ${candidate.version} ${tests.version}`;
}

const candidateHarness = () => readHarness('separate-candidate.mjs', 'messages.mjs');
const testHarness = () => readHarness('separate-runner.mjs', 'messages.mjs', 'code-tests.mjs', 'common.mjs');

/** A program of `harness/` alone in a sandbox. */
function jobOf(program: string, { files }: Harness): SandboxJob {
  const node = nodeToolchain();
  return {
    command: [node.program, '--no-warnings', `../kit/${program}`],
    shown: node.shown,
    environment: node.environment,
    isSolitary: true,
    files,
  };
}

/** The wall time of a candidate that is judged again, as a multiple of the limit. The sandbox ends it earlier if it only waits. */
const patience = 4;

/**
 * Judges programs for one row. One that the clock ended is judged again with more time, because on a busy machine it may not have
 * had its CPU time. So is one whose process was killed, which the machine may have done.
 */
export const judgeSeparately = (
  sandbox: Sandbox,
  row: CodeRow,
  sources: readonly string[],
  limits: RunLimits,
  signal?: AbortSignal,
): Promise<SeparateVerdict[]> => judgeTogether(sandbox, row, sources, { limits, seconds: limits.seconds, signal });

interface RunOptions {
  readonly limits: RunLimits;
  /** Wall time of each candidate, which the process of the tests measures. */
  readonly seconds: number;
  readonly signal: AbortSignal | undefined;
}

async function judgeTogether(
  sandbox: Sandbox,
  row: CodeRow,
  sources: readonly string[],
  options: RunOptions,
): Promise<SeparateVerdict[]> {
  const { limits, seconds, signal } = options;
  const plain = async (text: string) => (row.language === 'typescript' ? stripTypes(text) : text);
  // Longer than the candidates have together, so that the test process itself reports the candidate that is late.
  const whole = { ...limits, seconds: seconds * sources.length + 5 };
  // Before the candidates are started: a text that is hard to parse keeps this process busy, and they would wait for it.
  const candidates = await Promise.all(
    sources.map(async (source, index) => ({
      nonce: newNonce(),
      file: `candidate.${isScript(row) && !usesModules(source) ? 'cjs' : 'mjs'}`,
      source: await plain(source),
      channel: firstConnection + index,
    })),
  );
  const tests = await plain(row.tests);
  const started = await startCandidates(sandbox, sources.length, whole, signal);
  try {
    const job: SandboxJob = {
      ...jobOf('separate-runner.mjs', await testHarness()),
      input: JSON.stringify({ tests, names: visibleNames(row), seconds, candidates }),
      limits: { ...whole, cpuSeconds: limits.cpuSeconds * sources.length },
    };
    const run = await sandbox.run(job, signal, {
      passed: started.map(({ descriptor }) => descriptor),
      onPassed: () => {
        for (const { release } of started) release();
      },
      onReport: (part) => {
        for (const [index, { nonce }] of candidates.entries()) {
          const kind = new RegExp(`^${nonce} \\{"kind":"(finished|late|shared|ended)"`, 'm').exec(part)?.[1];
          if (kind !== undefined) void started[index]!.end(kind === 'ended');
        }
      },
    });
    const verdicts: SeparateVerdict[] = [];
    for (const [index, { nonce }] of candidates.entries()) {
      const verdict = verdictOn(row, { ...run, seconds: run.seconds / sources.length }, nonce, {
        end: await started[index]!.end(),
        isOnly: sources.length === 1,
        isLast: seconds > limits.seconds,
        written: started[index]!.written,
      });
      const again = () =>
        judgeTogether(sandbox, row, [sources[index]!], { ...options, seconds: patience * limits.seconds });
      verdicts.push(verdict ?? (await again())[0]!);
    }
    return verdicts;
  } finally {
    await Promise.all(started.map(({ end }) => end()));
  }
}

interface StartedCandidate {
  /** A descriptor of this process for the socket of the candidate's process. */
  readonly descriptor: number;
  /** Closes it in this process. */
  release(): void;
  /**
   * Ends the candidate's process, and returns how it ended: null if it had not ended by itself.
   *
   * @param byItself wait a moment for it to end by itself, so that the limit that it exceeded is known
   */
  end(byItself?: boolean): Promise<SandboxRun | null>;
  /** What its process wrote to the descriptor on which other programs report: `started`, and nothing after it. */
  written(): string;
}

/** Milliseconds for a process whose socket is closed to end by itself. */
const gracePeriod = 200;

/** Starts processes that wait for a candidate, each in its own sandbox. */
async function startCandidates(
  sandbox: Sandbox,
  count: number,
  limits: RunLimits,
  signal: AbortSignal | undefined,
): Promise<StartedCandidate[]> {
  const job = { ...jobOf('separate-candidate.mjs', await candidateHarness()), limits };
  const start = () =>
    new Promise<StartedCandidate>((resolve, reject) => {
      let written = '';
      const ending = new AbortController();
      const all = signal ? AbortSignal.any([signal, ending.signal]) : ending.signal;
      const ended: Promise<SandboxRun | null> = sandbox
        .run(job, all, {
          onReport: (part) => {
            written += part;
          },
          onSocket: (descriptor, release) => {
            const end = async (byItself = false) => {
              if (byItself) await Promise.race([ended, delay(gracePeriod)]);
              ending.abort();
              release();
              return ended;
            };
            resolve({ descriptor, release, end, written: () => written });
          },
        })
        .catch((error: unknown) => {
          if (!isInterruption(error)) throw error;
          return null;
        });
      ended.catch(reject);
      // Without effect if the process was started.
      void ended.then(
        () => reject(new Interrupted('The run of tests was stopped.')),
        () => undefined,
      );
    });
  const starting = Array.from({ length: count }, start);
  try {
    return await Promise.all(starting);
  } catch (error) {
    for (const one of await Promise.allSettled(starting)) if (one.status === 'fulfilled') await one.value.end();
    throw error;
  }
}

/** What the process of a candidate writes before it has one. */
const startedLine = 'started\n';

interface CandidateEnd {
  readonly end: SandboxRun | null;
  /** Whether no other candidate was judged by the same process. */
  readonly isOnly: boolean;
  /** Whether it is judged for the second time. */
  readonly isLast: boolean;
  readonly written: () => string;
}

/**
 * The verdict on a candidate, from the lines of the report that begin with its nonce; null: it is to be judged again, alone and
 * with more time, because the clock, the machine or another candidate may have decided.
 */
function verdictOn(
  row: CodeRow,
  run: SandboxRun,
  nonce: string,
  { end, isOnly, isLast, written }: CandidateEnd,
): SeparateVerdict | null {
  const own = run.report.split('\n').filter((line) => line.startsWith(`${nonce} `));
  const last = JSON.parse(own.at(-1)?.slice(nonce.length + 1) ?? '{}') as { kind?: string; message?: string };
  const { seconds } = run;
  if (written().length > startedLine.length)
    return { outcome: 'failed', reason: 'something other than the tests wrote a report', late: false, seconds };
  const isMachine = end !== null && (wasKilled(end) || end.broken === 'time' || !written().startsWith(startedLine));
  const mayBeOthers = last.kind === 'late' || (last.kind === 'ended' && isMachine);
  if (mayBeOthers && !isLast) return null;
  if (last.kind === 'shared' && row.language !== 'typescript') return { outcome: 'shared' };
  if (last.kind === 'shared') {
    const reason = `the tests need the program's own values (${last.message})`;
    return { outcome: 'failed', reason, late: false, seconds };
  }
  if (last.kind === 'late' || last.kind === 'ended') {
    const exceeded = end?.broken ? `exceeded the limit on ${end.broken}` : last.message;
    const late = last.kind === 'late' || (end !== null && endedByClock(end));
    return { outcome: 'failed', reason: `the test report is incomplete (${exceeded})`, late, seconds };
  }
  const verdict = verdictOf({ ...run, report: own.map((line) => `${line}\n`).join('') }, nonce, null);
  return verdict.outcome === 'scored' || (isOnly && (isLast || !isWorthRepeating(verdict))) ? verdict : null;
}
