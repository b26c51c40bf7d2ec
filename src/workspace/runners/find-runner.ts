import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import { nodeTest } from './node-test.ts';
import { pytest } from './pytest.ts';
import type { TestRunner, Workspace } from './runner.ts';
import { vitest } from './vitest.ts';

/** Every runner whose tests can be a reward, in the order in which a workspace is asked for its own. */
const runners = [nodeTest, vitest, pytest] as const;

/**
 * Finds the runner of a workspace by its files and its `package.json`. Throws a `UserError` where there is none, or one
 * that is not known.
 */
export async function findRunner(root: string, files: readonly string[]): Promise<TestRunner> {
  const workspace: Workspace = {
    root,
    files,
    scripts: await testScripts(root),
    read: (file) => readFile(path.join(root, file), 'utf8').catch(() => ''),
  };
  for (const runnerOf of runners) {
    const runner = await runnerOf(workspace);
    if (runner) return runner;
    // Python's tests may stand beside those of a runner that is not known; what the package calls its tests goes first.
    const other = runnerOf === vitest && /\b(jest|mocha|ava|tape|tap|playwright)\b/.exec(workspace.scripts);
    if (other)
      throw new UserError(
        `The tests of ${root} are run by ${other[0]}, and only those of node:test, vitest and pytest can be a reward so far.`,
      );
  }
  throw new UserError(
    `${root} has no tests that are known: none in files such as name.test.ts or test/name.js (node:test, vitest), nor test_name.py (pytest).`,
  );
}

/** The scripts of `package.json` that are about tests, as one text. */
async function testScripts(root: string): Promise<string> {
  const text = await readFile(path.join(root, 'package.json'), 'utf8').catch(() => '{}');
  try {
    const { scripts = {} } = JSON.parse(text) as { scripts?: Record<string, string> };
    return Object.entries(scripts)
      .filter(([name]) => /^(test|unit)/.test(name))
      .map(([, script]) => script)
      .join('\n');
  } catch {
    throw new UserError(`${root}/package.json is not valid JSON; mend it.`);
  }
}
