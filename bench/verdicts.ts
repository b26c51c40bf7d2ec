import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { openSandbox } from '../src/sandbox/open-sandbox.ts';
import { judge } from '../src/tasks/code/judge.ts';
import { problemsOf, type ShippedProblem } from '../src/tasks/code/problem-files.ts';
import { openWorkspace } from '../src/workspace/discover.ts';
import { runTests } from '../src/workspace/run-tests.ts';
import type { Verdict } from '../src/workspace/verdict.ts';
import { withOwnHome } from './own-home.ts';

/** Programs in one call of `judge`: as many completions as a step of 8 prompts with 32 completions each has. */
const programsPerStep = 256;

/**
 * Programs judged per second on all cores, as in tuning on the task `code`: each has its own process and sandbox, and its
 * tests run outside of it. All programs are different solutions of a bundled problem.
 */
export const measureVerdicts = (seconds: number, signal: AbortSignal): Promise<number> =>
  withOwnHome(async () => {
    const [problem] = problemsOf('training') as [ShippedProblem, ...ShippedProblem[]];
    const begin = performance.now();
    let count = 0;
    do {
      const items = Array.from({ length: seconds < 5 ? 8 : programsPerStep }, (_, index) => ({
        row: problem,
        source: `${problem.prompt}${problem.solution}\n// ${count + index}\n`,
      }));
      for (const verdict of await judge(items, { signal })) assertPassed(verdict);
      count += items.length;
    } while (performance.now() - begin < seconds * 1000);
    return (1000 * count) / (performance.now() - begin);
  });

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
      assertPassed(await judge());
      count++;
    } while (performance.now() - begin < seconds * 1000);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return (1000 * count) / (performance.now() - begin);
}

function assertPassed(verdict: Verdict): void {
  if (verdict.outcome === 'scored' && verdict.tests.every(({ passed }) => passed)) return;
  throw new Error(`a solution of ours was judged ${JSON.stringify(verdict)}`);
}
