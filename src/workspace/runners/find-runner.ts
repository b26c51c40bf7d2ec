import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import { cargoTest } from './cargo-test.ts';
import { commandRunner } from './command.ts';
import { goTest } from './go-test.ts';
import { jest } from './jest.ts';
import { mocha } from './mocha.ts';
import { nodeTest } from './node-test.ts';
import { filesOfPackage, inFolder, packageFolders, severalRunners } from './package-folders.ts';
import { pytest } from './pytest.ts';
import { someFile, type TestRunner, type Workspace } from './runner.ts';
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
  const folders = packageFolders(files);
  const own = await runnerOfPackage(root, filesOutside(files, folders));
  const others: TestRunner[] = [];
  for (const folder of folders) {
    const runner = await runnerOfPackage(path.join(root, folder), filesOfPackage(files, folder, folders));
    if (runner) others.push(inFolder(runner, root, folder));
  }
  // A runner at the root also runs the tests of packages that have none of their own.
  const whole = others.length === 0 ? ((await runnerOfPackage(root, files)) ?? own) : own;
  const found = whole === null ? others : [...others, whole];
  if (found.length > 0) return found.length === 1 ? (found[0] as TestRunner) : severalRunners(found);
  throw new UserError(
    `No tests were found in ${root}: no files such as name.test.ts or test/name.js (node:test, vitest, jest, mocha), test_name.py (pytest, unittest) or name_test.go with a go.mod, and no #[test] with a Cargo.toml.`,
  );
}

const filesOutside = (files: readonly string[], folders: readonly string[]): string[] =>
  files.filter((file) => !folders.some((folder) => file.startsWith(`${folder}/`)));

/** The runner of one package; null if it has no tests. */
async function runnerOfPackage(root: string, files: readonly string[]): Promise<TestRunner | null> {
  const { scripts, dependencies } = await packageOf(root);
  const workspace: Workspace = {
    root,
    files,
    scripts,
    usesRunner: (name) =>
      new RegExp(`\\b_?${name}\\b`).test(scripts) ||
      (name === 'jest' && /\breact-scripts\s+test\b/.test(scripts)) ||
      files.some((file) =>
        new RegExp(`^(?:${name}\\.(?:config|workspace)\\.[^/]+|\\.${name}rc(?:\\.[^/]+)?)$`).test(file),
      ) ||
      (!knownRunner.test(scripts) && dependencies.filter((one) => knownRunner.test(one)).join() === name),
    read: (file) => readFile(path.join(root, file), 'utf8').catch(() => ''),
  };
  const other = await unsupportedRunner(workspace);
  for (const runnerOf of runners) {
    // Python tests may exist next to those of an unsupported runner. The test script of package.json takes
    // precedence.
    if (runnerOf === pytest && other) throw new UserError(refusalOf(root, other));
    const runner = await runnerOf(workspace);
    if (runner) return runner;
  }
  return null;
}

const knownRunner = /^(?:vitest|jest|mocha)$|\b(?:vitest|jest|mocha|node --test|ava|tape|uvu|bun test|deno test)\b/;

/** Runners that are not supported, and a command with which they report in TAP; null if they have none. */
const unsupported: Readonly<Record<string, string | null>> = {
  ava: 'npx ava --tap {file}',
  tape: 'npx tape {file}',
  tap: 'npx tap --reporter=tap {file}',
  uvu: null,
  bun: null,
  deno: 'deno test --reporter=tap {file}',
  playwright: null,
  jasmine: null,
  karma: null,
};

/** The unsupported runner that the test script names or that test files import. */
async function unsupportedRunner(workspace: Workspace): Promise<string | null> {
  const named = /\b(ava|tape|tap|uvu|playwright|jasmine|karma)\b|\b(bun|deno) (?:run )?test\b/.exec(workspace.scripts);
  if (named) return (named[1] ?? named[2]) as string;
  const tests = workspace.files.filter(
    (file) => /(^|[./_-])(test|spec)s?([./_-]|$)/i.test(file) && /\.[cm]?[jt]sx?$/.test(file),
  );
  for (const [name, imported] of Object.entries(importsOf)) if (await someFile(workspace, tests, imported)) return name;
  return null;
}

const importsOf: Readonly<Record<string, RegExp>> = {
  bun: /['"]bun:test['"]/,
  deno: /\bDeno\.test\(|['"]jsr:@std\/assert/,
  uvu: /['"]uvu['"]/,
  ava: /from ['"]ava['"]/,
  tape: /['"]tape['"]/,
};

function refusalOf(root: string, name: string): string {
  const supported = 'supported runners are node:test, vitest, jest, mocha, pytest, unittest, go test and cargo test';
  const command = unsupported[name];
  const remedy = command
    ? `Give a command that reports in TAP: --test-command "${command}"`
    : `It has no report in TAP; give a command of your own that reports in TAP with --test-command`;
  return `The tests of ${root} use ${name}, which is not supported; ${supported}. ${remedy}.`;
}

interface PackageFacts {
  /** The test scripts, as one text. */
  readonly scripts: string;
  readonly dependencies: readonly string[];
}

async function packageOf(root: string): Promise<PackageFacts> {
  const text = await readFile(path.join(root, 'package.json'), 'utf8').catch(() => '{}');
  try {
    // Editors may write a byte order mark, which npm accepts.
    const {
      scripts = {},
      dependencies,
      devDependencies,
    } = JSON.parse(text.replace(/^\uFEFF/, '')) as Record<
      'scripts' | 'dependencies' | 'devDependencies',
      Record<string, string> | undefined
    >;
    return {
      scripts: Object.entries(scripts)
        .filter(([name]) => /^(test|unit)/.test(name))
        .map(([, script]) => script)
        .join('\n'),
      dependencies: Object.keys({ ...dependencies, ...devDependencies }),
    };
  } catch {
    throw new UserError(`${root}/package.json is not valid JSON; fix it.`);
  }
}
