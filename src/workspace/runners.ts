import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { packageRoot } from '../platform/package-root.ts';
import type { GivenFile, SandboxJob, ShownPath } from '../sandbox/sandbox.ts';
import { nodeToolchain, pythonToolchain } from './toolchains.ts';

/** A test runner of a workspace: which files are its tests, and how a file of them is run. */
export interface TestRunner {
  readonly name: 'node:test' | 'pytest';
  isTest(file: string): boolean;
  /** What decides how tests are run: no candidate can touch it. */
  isConfiguration(file: string): boolean;
  /** Whether TypeScript is run without its types, because this Node does not take them. */
  readonly stripTypes: boolean;
  /** The job that runs test files, but for the nonce; its input is what the harness is told beside that. */
  job(files: readonly string[], coverage: boolean): Promise<RunnerJob>;
  /** Tells one way of running the same tests from another, for caches. */
  readonly version: string;
}

export interface RunnerJob {
  readonly job: Pick<SandboxJob, 'command' | 'shown' | 'files' | 'environment'>;
  readonly input: Readonly<Record<string, unknown>>;
}

/**
 * Finds the runner of a workspace by its files and its `package.json`. Throws a `UserError` where there is none, or one
 * that is not known.
 */
export async function findRunner(root: string, files: readonly string[]): Promise<TestRunner> {
  const script = await testScripts(root);
  if (await usesNodeTest(root, files.filter(isNodeTest))) return nodeTestRunner(root, script);
  const other = /\b(vitest|jest|mocha|ava|tape|tap|playwright)\b/.exec(script);
  if (other)
    throw new UserError(
      `The tests of ${root} are run by ${other[0]}, and only those of node:test and pytest can be a reward so far.`,
    );
  if (files.some(isPythonTest)) return pytestRunner(root);
  throw new UserError(
    `${root} has no tests that are known: none in files such as name.test.ts or test/name.js (node:test), nor test_name.py (pytest).`,
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

/** Other runners have files of the same names: what tells is that node:test is imported. */
async function usesNodeTest(root: string, testFiles: readonly string[]): Promise<boolean> {
  for (const file of testFiles)
    if (/['"]node:test['"]/.test(await readFile(path.join(root, file), 'utf8').catch(() => ''))) return true;
  return false;
}

const isNodeTest = (file: string): boolean =>
  /(\.|-|_)test\.[cm]?[jt]s$/.test(file) ||
  /(^|\/)test-[^/]+\.[cm]?[jt]s$/.test(file) ||
  /(^|\/)test\/[^/]+\.[cm]?[jt]s$/.test(file);

const isPythonTest = (file: string): boolean => /(^|\/)(test_[^/]+|[^/]+_test)\.py$/.test(file);

function nodeTestRunner(root: string, script: string): TestRunner {
  // What the script has Node load first: a loader for TypeScript, as a rule.
  const flags = [
    ...script.matchAll(/--(?:import|require|loader|experimental-loader|conditions)[= ]\S+|--experimental-\S+/g),
  ]
    .map(([flag]) => flag)
    .concat(/(^|\s)tsx\s/.test(script) ? ['--import tsx'] : []);
  const stripTypes = flags.length === 0 && !('typescript' in process.features && process.features.typescript);
  const toolchain = nodeToolchain();
  return {
    name: 'node:test',
    stripTypes,
    isTest: isNodeTest,
    isConfiguration: (file) => isNodeTest(file) || /(^|\/)(package(-lock)?\.json|tsconfig[^/]*\.json)$/.test(file),
    version: `${toolchain.version} ${flags.join(' ')}`,
    async job(files, coverage) {
      const harness = await Promise.all(['node-test.mjs', 'node-test-reporter.mjs'].map(harnessFile));
      return {
        job: {
          command: [
            toolchain.program,
            '--no-warnings',
            ...flags.flatMap((flag) => flag.split(' ')),
            '--test-reporter=../kit/node-test-reporter.mjs',
            '--test-reporter-destination=stderr',
            '../kit/node-test.mjs',
          ],
          shown: [...toolchain.shown, ...dependencies(root, 'node_modules')],
          environment: toolchain.environment,
          files: harness,
        },
        input: { files, coverage, plainTypeScript: stripTypes },
      };
    },
  };
}

async function pytestRunner(root: string): Promise<TestRunner> {
  const own = ['.venv', 'venv'].map((name) => path.join(root, name, 'bin', 'python')).find((file) => existsSync(file));
  const toolchain = await pythonToolchain(own);
  return {
    name: 'pytest',
    stripTypes: false,
    isTest: isPythonTest,
    isConfiguration: (file) =>
      isPythonTest(file) || /(^|\/)(conftest\.py|pytest\.ini|pyproject\.toml|setup\.cfg|tox\.ini)$/.test(file),
    version: toolchain.version,
    async job(files, coverage) {
      return {
        job: {
          command: [
            toolchain.program,
            ...['-B', '-m', 'pytest', '-p', 'unmask_pytest', '-p', 'no:cacheprovider'],
            ...['-q', '--no-header', ...files],
          ],
          shown: toolchain.shown,
          environment: { ...toolchain.environment, PYTHONPATH: '../kit:.' },
          files: [await harnessFile('unmask_pytest.py')],
        },
        input: { coverage },
      };
    },
  };
}

/** Installed packages, as they are; the nearest folder of them, as Node looks for it. */
function dependencies(root: string, name: string): ShownPath[] {
  for (let folder = root; ; folder = path.dirname(folder)) {
    if (existsSync(path.join(folder, name))) return [{ host: path.join(folder, name), inside: `work/${name}` }];
    if (folder === path.dirname(folder)) return [];
  }
}

async function harnessFile(name: string): Promise<GivenFile> {
  return { inside: `kit/${name}`, content: await readFile(path.join(packageRoot(), 'harness', name), 'utf8') };
}
