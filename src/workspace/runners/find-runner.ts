import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import { cargoTest } from './cargo-test.ts';
import { commandRunner } from './command.ts';
import { goTest } from './go-test.ts';
import { jest } from './jest.ts';
import { mocha } from './mocha.ts';
import { nodeTest } from './node-test.ts';
import { pytest } from './pytest.ts';
import type { TestRunner, Workspace } from './runner.ts';
import { unittest } from './unittest.ts';
import { vitest } from './vitest.ts';

/** Every runner whose tests can be a reward, in the order in which a workspace is asked for its own. */
const runners = [nodeTest, vitest, jest, mocha, pytest, unittest, goTest, cargoTest] as const;

/**
 * Finds the runner of a workspace by its files and its `package.json`, unless its user says by which command its tests
 * are run. Throws a `UserError` where there is none, or one that is not known.
 */
export async function findRunner(
  root: string,
  files: readonly string[],
  command: string | null = null,
): Promise<TestRunner> {
  if (command !== null) return commandRunner(root, command);
  const workspace: Workspace = {
    root,
    files,
    scripts: await testScripts(root),
    read: (file) => readFile(path.join(root, file), 'utf8').catch(() => ''),
  };
  const other = /\b(ava|tape|tap|playwright|jasmine|karma)\b/.exec(workspace.scripts);
  for (const runnerOf of runners) {
    // Python's tests may stand beside those of a runner that is not known; what the package calls its tests goes first.
    if (runnerOf === pytest && other)
      throw new UserError(
        `The tests of ${root} are run by ${other[0]}; only those of node:test, vitest, jest, mocha, pytest, unittest, go test and cargo test can be a reward by themselves. Give a command that reports in TAP.`,
      );
    const runner = await runnerOf(workspace);
    if (runner) return runner;
  }
  throw new UserError(
    `${root} has no tests that are known: none in files such as name.test.ts or test/name.js (node:test, vitest, jest, mocha), test_name.py (pytest, unittest) or name_test.go beside a go.mod, nor #[test] beside a Cargo.toml.`,
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
