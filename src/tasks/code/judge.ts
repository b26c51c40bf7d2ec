import { availableParallelism } from 'node:os';
import { limitConcurrency } from '../../platform/limit-concurrency.ts';
import { openSandbox } from '../../sandbox/open-sandbox.ts';
import type { Sandbox, SandboxJob } from '../../sandbox/sandbox.ts';
import { stripTypes } from '../../syntax/strip-types.ts';
import { readHarness } from '../../workspace/harness.ts';
import { newNonce, verdictOf } from '../../workspace/harness-report.ts';
import { nodeToolchain, pythonToolchain } from '../../workspace/toolchains.ts';
import { noCode, type Verdict } from '../../workspace/verdict.ts';
import { VerdictCache, verdictKey } from '../../workspace/verdict-cache.ts';
import type { ScoringOptions } from '../task.ts';
import { visibleNames } from './program.ts';
import type { CodeRow } from './row.ts';

/** A program to run the tests of a row on. */
export interface JudgedProgram {
  readonly row: CodeRow;
  /** Null if the completion has no code. */
  readonly source: string | null;
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
  return limitConcurrency(
    items,
    availableParallelism(),
    async ({ row, source }) => {
      if (source === null) return noCode;
      const job = await jobOf(row, source);
      const key = verdictKey(job.harness, job.version, limits, source, job.input);
      return cache.get(key, () => run(sandbox, { ...job, limits }, signal));
    },
    onProgress,
  );
}

/** Runs the tests once, and a second time if the sandbox itself failed, since that may be temporary. */
async function run(sandbox: Sandbox, job: LimitedJob, signal?: AbortSignal): Promise<Verdict> {
  const verdict = await runOnce(sandbox, job, signal);
  return verdict.outcome === 'broken' ? runOnce(sandbox, job, signal) : verdict;
}

async function runOnce(sandbox: Sandbox, { job, input, limits }: LimitedJob, signal?: AbortSignal): Promise<Verdict> {
  const nonce = newNonce();
  const ended = await sandbox.run({ ...job, input: JSON.stringify({ nonce, ...input }), limits }, signal);
  return verdictOf(ended, nonce, null);
}

/** How the tests of a program are run. */
export interface CodeJob {
  readonly job: SandboxJob;
  /** The harness's input besides the nonce. */
  readonly input: Readonly<Record<string, unknown>>;
  readonly harness: string;
  readonly version: string;
}

type LimitedJob = CodeJob & { readonly limits: typeof codeLimits };

export async function jobOf(row: CodeRow, source: string): Promise<CodeJob> {
  if (row.language === 'python') {
    const harness = await readHarness('python.py');
    const { program, shown, environment, version } = await pythonToolchain();
    return {
      job: {
        command: [program, '-I', '-B', '../kit/python.py'],
        shown,
        environment,
        files: harness.files,
      },
      input: { tests: row.tests, candidate: source, entry: row.entry_point },
      harness: harness.version,
      version,
    };
  }
  const isTyped = row.language === 'typescript';
  const harness = await readHarness('javascript.mjs', 'common.mjs');
  const { program, shown, environment, version } = nodeToolchain();
  return {
    job: {
      command: [program, '--frozen-intrinsics', '--no-warnings', '../kit/javascript.mjs'],
      shown,
      environment,
      files: [...harness.files, { inside: 'work/candidate.mjs', content: isTyped ? await stripTypes(source) : source }],
    },
    input: { tests: isTyped ? await stripTypes(row.tests) : row.tests, names: visibleNames(row) },
    harness: harness.version,
    version,
  };
}
