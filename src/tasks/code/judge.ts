import { availableParallelism } from 'node:os';
import { limitConcurrency } from '../../platform/limit-concurrency.ts';
import { openSandbox } from '../../sandbox/open-sandbox.ts';
import type { Sandbox, SandboxJob } from '../../sandbox/sandbox.ts';
import { stripTypes } from '../../syntax/strip-types.ts';
import { readHarness } from '../../workspace/harness.ts';
import { newNonce, verdictOf } from '../../workspace/harness-report.ts';
import { nodeToolchain, pythonToolchain } from '../../workspace/toolchains.ts';
import { isWorthRepeating, noCode, type Verdict } from '../../workspace/verdict.ts';
import { VerdictCache, verdictKey } from '../../workspace/verdict-cache.ts';
import type { ScoringOptions } from '../task.ts';
import { forgedVerdict } from './forged-results.ts';
import { visibleNames } from './program.ts';
import { type CodeRow, isScript, usesModules } from './row.ts';
import { candidatesPerRun, isSeparable, judgeSeparately, separateVersion } from './separate.ts';
import { outputTests, sameText } from './text-tests.ts';

/** A program to run the tests of a row on. */
export interface JudgedProgram {
  readonly row: CodeRow;
  /** Null if the completion has no code. */
  readonly source: string | null;
  /** The code of the completion, for rows that compare it with their target; absent: only the tests decide. */
  readonly code?: string;
}

/** Resource limits of one test run. */
export const codeLimits = { seconds: 10, cpuSeconds: 5, memoryMiB: 768 };

interface JudgeOptions extends ScoringOptions {
  readonly limits?: typeof codeLimits;
}

const cache = new VerdictCache();

/** Runs the tests of each program in the sandbox, several at a time; the verdicts are in the items' order. */
export async function judge(
  items: readonly JudgedProgram[],
  { signal, onProgress, limits = codeLimits }: JudgeOptions = {},
): Promise<Verdict[]> {
  const sandbox = await openSandbox();
  const verdicts: Verdict[] = items.map(() => noCode);
  let done = 0;
  const note = (indices: readonly number[], found: readonly Verdict[]) => {
    for (const [at, index] of indices.entries()) {
      verdicts[index] = found[at]!;
      onProgress?.(++done, items.length);
    }
  };
  // The sandbox on macOS does not let a program start another one.
  const canSeparate = sandbox.finding.kind === 'bubblewrap';
  const decided = items.map(textVerdict);
  const { batches, alone } = divide(items, decided, (row) => canSeparate && isSeparable(row));
  for (const [index, verdict] of decided.entries()) if (verdict) note([index], [verdict]);
  const judgeBatch = async (indices: readonly number[]) => {
    const { row } = items[indices[0]!]!;
    const sources = indices.map((index) => items[index]!.source!);
    note(indices, await separateVerdicts(sandbox, row, sources, limits, signal));
  };
  const judgeAlone = async (index: number) => {
    const { row, source } = items[index]!;
    note([index], [await sharedVerdict(sandbox, row, source!, limits, signal)]);
  };
  await limitConcurrency(
    [...batches.map((batch) => () => judgeBatch(batch)), ...alone.map((index) => () => judgeAlone(index))],
    availableParallelism(),
    (work) => work(),
  );
  return verdicts;
}

/** The verdict on a program that needs no test run: it has no code, or its text decides. Otherwise null. */
function textVerdict({ row, source, code }: JudgedProgram): Verdict | null {
  if (source === null) return noCode;
  if (row.target === undefined) return null;
  const isSame = code !== undefined && sameText(code, row.target);
  const hasTests = row.tests !== '' || row.unit_tests !== undefined;
  return !isSame && hasTests ? null : { outcome: 'scored', tests: [{ id: 'target', passed: isSame }], seconds: 0 };
}

/**
 * Divides programs, by index, into batches of one row whose tests one process runs, and programs that are judged alone. Batches
 * are small enough for every core to get two of them, so that a slow one does not leave the other cores idle.
 */
function divide(
  items: readonly JudgedProgram[],
  decided: readonly (Verdict | null)[],
  isSeparate: (row: CodeRow) => boolean,
) {
  const byRow = new Map<string, number[]>();
  const alone: number[] = [];
  for (const [index, { row }] of items.entries()) {
    if (decided[index]) continue;
    if (!isSeparate(row)) alone.push(index);
    else {
      const key = JSON.stringify(row);
      byRow.set(key, [...(byRow.get(key) ?? []), index]);
    }
  }
  const count = [...byRow.values()].reduce((sum, indices) => sum + indices.length, 0);
  const size = Math.max(1, Math.min(candidatesPerRun, Math.floor(count / (2 * availableParallelism()))));
  const batches = [...byRow.values()].flatMap((indices) =>
    Array.from({ length: Math.ceil(indices.length / size) }, (_, at) => indices.slice(at * size, (at + 1) * size)),
  );
  return { batches, alone };
}

/** The verdicts on programs for one row; their tests run in a separate process. */
async function separateVerdicts(
  sandbox: Sandbox,
  row: CodeRow,
  sources: readonly string[],
  limits: typeof codeLimits,
  signal?: AbortSignal,
): Promise<Verdict[]> {
  const version = await separateVersion();
  const keyOf = (source: string) => verdictKey('separate', version, limits, source, row.tests, visibleNames(row));
  const found = new Map<string, Verdict>();
  for (const source of sources) {
    const known = await cache.known(keyOf(source));
    if (known) found.set(source, known);
  }
  const left = [...new Set(sources)].filter((source) => !found.has(source));
  const judged = left.length === 0 ? [] : await judgeSeparately(sandbox, row, left, limits, signal);
  for (const [index, verdict] of judged.entries()) {
    const source = left[index]!;
    const made = verdict.outcome === 'shared' ? await sharedVerdict(sandbox, row, source, limits, signal) : verdict;
    found.set(source, await cache.get(keyOf(source), async () => made));
  }
  return sources.map((source) => found.get(source)!);
}

/** The verdict on a program whose tests run in its own process. */
async function sharedVerdict(
  sandbox: Sandbox,
  row: CodeRow,
  source: string,
  limits: typeof codeLimits,
  signal?: AbortSignal,
): Promise<Verdict> {
  const verdictWith = async (tested: CodeRow, program: string): Promise<Verdict> => {
    const job = await jobOf(tested, program);
    const key = verdictKey(job.harness, job.version, limits, program, job.input);
    return cache.get(key, () => run(sandbox, { ...job, limits }, signal));
  };
  const verdict = await verdictWith(row, source);
  if (verdict.outcome !== 'scored') return verdict;
  const forged = await forgedVerdict(row, source, verdict, verdictWith);
  return forged ?? { ...verdict, isolation: 'shared-process' };
}

/** Runs the tests once, and a second time if the sandbox itself failed or was killed, since that may be temporary. */
async function run(sandbox: Sandbox, job: LimitedJob, signal?: AbortSignal): Promise<Verdict> {
  const verdict = await runOnce(sandbox, job, signal);
  return isWorthRepeating(verdict) ? runOnce(sandbox, job, signal) : verdict;
}

async function runOnce(sandbox: Sandbox, { job, input, limits }: LimitedJob, signal?: AbortSignal): Promise<Verdict> {
  const nonce = newNonce();
  const ended = await sandbox.run({ ...job, input: JSON.stringify({ nonce, ...input }), limits }, signal);
  return verdictOf(ended, nonce, null);
}

/** How the tests of a program are run. */
interface CodeJob {
  readonly job: SandboxJob;
  /** The harness's input, without the nonce. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly harness: string;
  readonly version: string;
}

type LimitedJob = CodeJob & { readonly limits: typeof codeLimits };

async function jobOf(row: CodeRow, source: string): Promise<CodeJob> {
  if (row.language === 'python') {
    const harness = await readHarness('python.py');
    const { program, shown, environment, version } = await pythonToolchain();
    const cases = row.unit_tests;
    return {
      job: {
        command: [program, '-I', '-B', '../kit/python.py'],
        shown,
        environment,
        isSolitary: true,
        files: harness.files,
      },
      input: {
        tests: cases ? outputTests(cases) : row.tests,
        // JSON's texts are Python's, too.
        candidate: cases ? `program = ${JSON.stringify(source)}\n` : source,
        entry: row.entry_point,
      },
      harness: harness.version,
      version,
    };
  }
  const isTyped = row.language === 'typescript';
  const file = isScript(row) && !usesModules(source) ? 'candidate.cjs' : 'candidate.mjs';
  const harness = await readHarness('javascript.mjs', 'code-tests.mjs', 'common.mjs');
  const { program, shown, environment, version } = nodeToolchain();
  return {
    job: {
      command: [program, '--frozen-intrinsics', '--no-warnings', '../kit/javascript.mjs'],
      shown,
      environment,
      isSolitary: true,
      files: [...harness.files, { inside: `work/${file}`, content: isTyped ? await stripTypes(source) : source }],
    },
    input: { tests: isTyped ? await stripTypes(row.tests) : row.tests, names: visibleNames(row), file },
    harness: harness.version,
    version,
  };
}
