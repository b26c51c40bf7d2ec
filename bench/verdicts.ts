import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { defaultLimits } from '../src/sandbox/limits.ts';
import { openSandbox } from '../src/sandbox/open-sandbox.ts';
import type { SandboxRun } from '../src/sandbox/sandbox.ts';
import { supervise } from '../src/sandbox/supervise.ts';
import { type CodeJob, jobOf } from '../src/tasks/code/judge.ts';
import { problemsOf, type ShippedProblem } from '../src/tasks/code/problem-files.ts';
import { newNonce, verdictOf } from '../src/workspace/report.ts';

/** How many verdicts a second are reached on all cores: in the sandbox, and by the same harness without it. */
export interface VerdictSpeed {
  readonly sandboxed: number;
  readonly bare: number;
}

/** Judges the solution of a shipped problem over and over, for some seconds each way. */
export async function measureVerdicts(seconds: number, signal: AbortSignal): Promise<VerdictSpeed> {
  const [problem] = problemsOf('training') as [ShippedProblem, ...ShippedProblem[]];
  const code = await jobOf(problem, problem.prompt + problem.solution);
  const sandbox = await openSandbox();
  const sandboxed = await perSecond(seconds, code, (input) => sandbox.run({ ...code.job, input }, signal));
  // The solution is ours and was read: it may run as it is.
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-bench-'));
  try {
    for (const { inside, content } of code.job.files ?? []) {
      await mkdir(path.dirname(path.join(folder, inside)), { recursive: true });
      await writeFile(path.join(folder, inside), content);
    }
    const [program, ...args] = code.job.command as [string, ...string[]];
    const launch = { program, args, cwd: path.join(folder, 'work'), environment: {}, descriptors: [] };
    const run = (input: string) => supervise({ ...launch, input, limits: defaultLimits }, signal);
    return { sandboxed, bare: await perSecond(seconds, code, run) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function perSecond(seconds: number, { input }: CodeJob, run: (input: string) => Promise<SandboxRun>) {
  const begin = performance.now();
  let count = 0;
  const worker = async () => {
    do {
      const nonce = newNonce();
      const verdict = verdictOf(await run(JSON.stringify({ nonce, ...input })), nonce, null);
      if (verdict.outcome !== 'scored') throw new Error(`a solution of ours was judged ${verdict.outcome}`);
      count++;
    } while (performance.now() - begin < seconds * 1000);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return (1000 * count) / (performance.now() - begin);
}
