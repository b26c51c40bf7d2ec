import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { defaultLimits } from '../src/sandbox/limits.ts';
import { openSandbox } from '../src/sandbox/open-sandbox.ts';
import type { SandboxRun } from '../src/sandbox/sandbox.ts';
import { supervise, treeLimitCheck } from '../src/sandbox/supervise.ts';
import { jobOf } from '../src/tasks/code/judge.ts';
import { problemsOf, type ShippedProblem } from '../src/tasks/code/problem-files.ts';
import { openWorkspace } from '../src/workspace/discover.ts';
import { newNonce, verdictOf } from '../src/workspace/harness-report.ts';
import { runTests } from '../src/workspace/run-tests.ts';
import type { Verdict } from '../src/workspace/verdict.ts';
import { withOwnHome } from './own-home.ts';

/** Programs scored per second on all cores: in the sandbox, and with the same harness without it. */
export interface VerdictSpeed {
  readonly sandboxed: number;
  readonly bare: number;
}

/** Scores the solution of a bundled problem repeatedly, for `seconds` with and without the sandbox. */
export async function measureVerdicts(seconds: number, signal: AbortSignal): Promise<VerdictSpeed> {
  const [problem] = problemsOf('training') as [ShippedProblem, ...ShippedProblem[]];
  const code = await jobOf(problem, problem.prompt + problem.solution);
  const sandbox = await openSandbox();
  const judge = (run: (input: string) => Promise<SandboxRun>) => async () => {
    const nonce = newNonce();
    return verdictOf(await run(JSON.stringify({ nonce, ...code.input })), nonce, null);
  };
  const sandboxed = await perSecond(
    seconds,
    judge((input) => sandbox.run({ ...code.job, input }, signal)),
  );
  // The solution is part of this repository and trusted, so it may run without a sandbox.
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-bench-'));
  try {
    for (const { inside, content } of code.job.files ?? []) {
      await mkdir(path.dirname(path.join(folder, inside)), { recursive: true });
      await writeFile(path.join(folder, inside), content);
    }
    const [program, ...args] = code.job.command as [string, ...string[]];
    const launch = {
      program,
      args,
      cwd: path.join(folder, 'work'),
      environment: {},
      descriptors: [],
      checkLimits: treeLimitCheck(defaultLimits),
    };
    const run = (input: string) => supervise({ ...launch, input, limits: defaultLimits }, signal);
    return { sandboxed, bare: await perSecond(seconds, judge(run)) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export type SuiteLanguage = 'javascript' | 'typescript';

/** A workspace whose tests take almost no time: its source, its tests, and all of its files. */
function workspaceIn(language: SuiteLanguage) {
  const [ending, type] = language === 'typescript' ? ['ts', ': number'] : ['js', ''];
  const source = `src/add.${ending}`;
  const testFile = `test/add.test.${ending}`;
  const tests = [
    "import assert from 'node:assert/strict';",
    "import { it } from 'node:test';",
    `import { add } from '../${source}';`,
    "it('adds', () => assert.equal(add(1, 2), 3));",
    "it('takes away', () => assert.equal(add(1, -2), -1));",
  ];
  return {
    source,
    testFile,
    files: {
      'package.json': '{ "type": "module", "scripts": { "test": "node --test" } }',
      [source]: `export const add = (a${type}, b${type})${type} => a + b;\n`,
      [testFile]: tests.join('\n'),
    } as Record<string, string>,
  };
}

/** Candidates scored per second on all cores by the node:test suite of a workspace. All candidates are different. */
export const measureSuiteVerdicts = (language: SuiteLanguage, seconds: number, signal: AbortSignal): Promise<number> =>
  withOwnHome(async (folder) => {
    const root = path.join(folder, 'workspace');
    const { source, testFile, files } = workspaceIn(language);
    for (const [file, text] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true });
      await writeFile(path.join(root, file), text);
    }
    const { runner, snapshot } = await openWorkspace(root, null);
    const sandbox = await openSandbox();
    let candidate = 0;
    return perSecond(seconds, async () => {
      const changed = [{ file: source, text: `${files[source]}// ${candidate++}\n` }];
      const request = { testFile, changed, expected: null };
      return (await runTests(sandbox, snapshot, runner, request, signal)).verdict;
    });
  });

async function perSecond(seconds: number, judge: () => Promise<Verdict>) {
  const begin = performance.now();
  let count = 0;
  const worker = async () => {
    do {
      const verdict = await judge();
      if (verdict.outcome !== 'scored' || !verdict.tests.every(({ passed }) => passed))
        throw new Error(`a solution of ours was judged ${JSON.stringify(verdict)}`);
      count++;
    } while (performance.now() - begin < seconds * 1000);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return (1000 * count) / (performance.now() - begin);
}
