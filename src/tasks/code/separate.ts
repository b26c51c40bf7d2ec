/**
 * Tests of the task `code` that run outside the process of the candidate. Tests and expected values stay in a process that
 * the candidate cannot read; calls of the candidate's functions are answered with structured clones (docs/security.md).
 */
import type { Sandbox, SandboxJob } from '../../sandbox/sandbox.ts';
import { stripTypes } from '../../syntax/strip-types.ts';
import { readHarness } from '../../workspace/harness.ts';
import { newNonce, verdictOf } from '../../workspace/harness-report.ts';
import { nodeToolchain } from '../../workspace/toolchains.ts';
import type { Verdict } from '../../workspace/verdict.ts';
import { visibleNames } from './program.ts';
import { type CodeRow, isScript, usesModules } from './row.ts';

/** Candidates that one sandbox judges one after the other, because starting a sandbox and its runner takes time. */
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
  return `${nodeToolchain().version} ${(await harness()).version}`;
}

const harness = () =>
  readHarness('separate-runner.mjs', 'separate-candidate.mjs', 'messages.mjs', 'code-tests.mjs', 'common.mjs');

/** The wall time of a candidate that is judged again, as a multiple of the limit. The sandbox ends it earlier if it only waits. */
const patience = 4;

/**
 * Judges programs for one row in one sandbox. A candidate that ends the whole run, for example by using up the memory, does not
 * decide about the others: those without a complete report are judged again, each alone. So is one that the clock ended, because
 * on a busy machine it may not have had its CPU time.
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
  /** Wall time of each candidate, which the runner in the sandbox measures. */
  readonly seconds: number;
  readonly signal: AbortSignal | undefined;
}

async function judgeTogether(
  sandbox: Sandbox,
  row: CodeRow,
  sources: readonly string[],
  { limits, seconds: allowed, signal }: RunOptions,
): Promise<SeparateVerdict[]> {
  const again = async (source: string): Promise<SeparateVerdict> => {
    const options = { limits, seconds: patience * limits.seconds, signal };
    return (await judgeTogether(sandbox, row, [source], options))[0]!;
  };
  const isTyped = row.language === 'typescript';
  const plain = async (text: string) => (isTyped ? stripTypes(text) : text);
  const candidates = sources.map((source, index) => ({
    nonce: newNonce(),
    file: `candidate-${index}.${isScript(row) && !usesModules(source) ? 'cjs' : 'mjs'}`,
  }));
  const { program, shown, environment } = nodeToolchain();
  const job: SandboxJob = {
    command: [program, '--no-warnings', '../kit/separate-runner.mjs'],
    shown,
    environment,
    isSolitary: true,
    files: [
      ...(await harness()).files,
      ...(await Promise.all(
        sources.map(async (source, index) => ({
          inside: `work/${candidates[index]!.file}`,
          content: await plain(source),
        })),
      )),
    ],
    input: JSON.stringify({
      tests: await plain(row.tests),
      names: visibleNames(row),
      seconds: allowed,
      candidates,
    }),
    // A few seconds more than the candidates have, so that the runner itself reports the one that is late.
    limits: { ...limits, seconds: limits.seconds * sources.length + 5 },
  };
  const run = await sandbox.run(job, signal);
  const lines = run.report.split('\n');
  const verdicts: SeparateVerdict[] = [];
  for (const [index, { nonce }] of candidates.entries()) {
    const own = lines.filter((line) => line.startsWith(`${nonce} `));
    const end = endOf(own.at(-1), nonce);
    const seconds = run.seconds / sources.length;
    if (end?.kind === 'shared') {
      const reason = `the tests need the program's own values (${end.message})`;
      verdicts.push(isTyped ? { outcome: 'failed', reason, late: false, seconds } : { outcome: 'shared' });
    } else if (end?.byClock && allowed === limits.seconds) verdicts.push(await again(sources[index]!));
    else if (end !== null)
      verdicts.push({
        outcome: 'failed',
        reason: `the test report is incomplete (${end.message})`,
        late: end.kind === 'late',
        seconds,
      });
    else {
      const verdict = verdictOf({ ...run, seconds, report: own.map((line) => `${line}\n`).join('') }, nonce, null);
      const isDecided = verdict.outcome === 'scored' || sources.length === 1;
      verdicts.push(isDecided ? verdict : await again(sources[index]!));
    }
  }
  return verdicts;
}

/** Why a candidate's process stopped answering, from the last line of its report; null if the report does not end so. */
function endOf(line: string | undefined, nonce: string) {
  const record = line === undefined ? {} : (JSON.parse(line.slice(nonce.length + 1)) as Record<string, unknown>);
  const { kind, message, byClock } = record;
  const isEnd = kind === 'ended' || kind === 'late' || kind === 'shared';
  return isEnd ? { kind, message: String(message), byClock: byClock === true } : null;
}
