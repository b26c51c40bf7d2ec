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

/** Every supported runner, in the order in which they are tried on a workspace. */
const runners = [nodeTest, vitest, jest, mocha, pytest, unittest, goTest, cargoTest] as const;

/**
 * Detects the runner of a workspace by its files and its `package.json`, unless the user gives a test command. Throws
 * a `UserError` if there is none or if it is not supported.
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
    // Python tests may exist next to those of an unsupported runner. The test script of package.json takes
    // precedence.
    if (runnerOf === pytest && other)
      throw new UserError(
        `The tests of ${root} use ${other[0]}, which is not supported; supported runners are node:test, vitest, jest, mocha, pytest, unittest, go test and cargo test. For another runner, give a command that reports in TAP.`,
      );
    const runner = await runnerOf(workspace);
    if (runner) return runner;
  }
  throw new UserError(
    `No tests were found in ${root}: no files such as name.test.ts or test/name.js (node:test, vitest, jest, mocha), test_name.py (pytest, unittest) or name_test.go with a go.mod, and no #[test] with a Cargo.toml.`,
  );
}

/** The test scripts of `package.json`, as one text. */
async function testScripts(root: string): Promise<string> {
  const text = await readFile(path.join(root, 'package.json'), 'utf8').catch(() => '{}');
  try {
    const { scripts = {} } = JSON.parse(text) as { scripts?: Record<string, string> };
    return Object.entries(scripts)
      .filter(([name]) => /^(test|unit)/.test(name))
      .map(([, script]) => script)
      .join('\n');
  } catch {
    throw new UserError(`${root}/package.json is not valid JSON; fix it.`);
  }
}
