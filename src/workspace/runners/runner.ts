import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import type { SandboxLimits } from '../../sandbox/limits.ts';
import type { SandboxJob, ShownPath } from '../../sandbox/sandbox.ts';

/** A test runner of a workspace: which files are its tests, and how to run a test file. */
export interface TestRunner {
  readonly name: string;
  isTest(file: string): boolean;
  /** Whether a file affects how tests run. Candidates cannot change these files. */
  isConfiguration(file: string): boolean;
  /** The units that are run separately; absent: every test file. */
  suites?(files: readonly string[]): readonly string[];
  /** False if a run does not report the functions that it calls. Then every function is tried with every test file. */
  readonly reportsCalls?: boolean;
  /** Whether TypeScript is stripped beforehand, because this Node does not do it. */
  readonly stripTypes: boolean;
  /** Limits that differ from the usual limits of test runs. */
  readonly limits?: Partial<SandboxLimits>;
  /** The job that runs test files, without the nonce; the rest of its input is for the harness. */
  job(files: readonly string[], coverage: boolean): RunnerJob;
  /** The folder in which a test file runs, and to which the files of its report are relative; absent: the workspace. */
  folderOf?(testFile: string): string;
  /** Identifies the way in which the tests run, for caches. */
  readonly version: string;
}

export interface RunnerJob {
  readonly job: Pick<SandboxJob, 'command' | 'shown' | 'files' | 'environment'>;
  readonly input: Readonly<Record<string, unknown>>;
}

/** The information from which the runner is detected. */
export interface Workspace {
  readonly root: string;
  readonly files: readonly string[];
  /** The test scripts of `package.json`, as one text. */
  readonly scripts: string;
  /**
   * Whether the package uses a runner by its script, by a configuration file, or as the only runner that it depends on.
   * Tests with globals import nothing.
   */
  readonly usesRunner: (name: 'vitest' | 'jest' | 'mocha') => boolean;
  /** The text of a file; empty if it cannot be read. */
  readonly read: (file: string) => Promise<string>;
}

/**
 * Creates the runner of a workspace; null if the workspace does not use it. Throws a `UserError` if its tests cannot
 * run.
 */
export type RunnerOf = (workspace: Workspace) => Promise<TestRunner | null>;

/** Whether the content of one of the files matches. */
export async function someFile({ read }: Workspace, files: readonly string[], pattern: RegExp): Promise<boolean> {
  for (const file of files) if (pattern.test(await read(file))) return true;
  return false;
}

/** The installed packages: the nearest `node_modules`, as Node looks it up, but no link to any other folder. */
export function installedPackages(root: string): ShownPath[] {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const host = path.join(folder, 'node_modules');
    const isOne = existsSync(host) && path.basename(realpathSync(host)) === 'node_modules';
    if (isOne) return [{ host, inside: 'work/node_modules' }];
    if (folder === path.dirname(folder)) return [];
  }
}

/** The same, with a check for a package; throws a `UserError` if it is missing. */
export function installed(root: string, name: string): ShownPath[] {
  const packages = installedPackages(root);
  if (packages.some(({ host }) => existsSync(path.join(host, name, 'package.json')))) return packages;
  throw new UserError(`The tests of ${root} use ${name}, which is not installed there; run ${installCommand(root)}.`);
}

/** The package manager whose lock file is in the folder or above it. */
function installCommand(root: string): string {
  const managers = { 'pnpm-lock.yaml': 'pnpm', 'yarn.lock': 'yarn', 'bun.lockb': 'bun', 'package-lock.json': 'npm' };
  for (let folder = root; ; folder = path.dirname(folder)) {
    const found = Object.entries(managers).find(([lock]) => existsSync(path.join(folder, lock)));
    if (found) return `${found[1]} install`;
    if (folder === path.dirname(folder)) return 'npm install';
  }
}

/** Whether a file affects how Node and TypeScript load modules, with any runner. */
export const isPackageConfiguration = (file: string): boolean =>
  /(^|\/)(package(-lock)?\.json|tsconfig[^/]*\.json)$/.test(file);

/**
 * Data that tests compare with, such as expected snapshots. Other files next to tests are not included, because tests
 * may write there.
 */
export const isTestData = (file: string): boolean =>
  /(^|\/)(testdata|goldens?|__(fixtures|snapshots)__)\/|\.snap(shot)?$/.test(file) ||
  /(^|\/)(tests?|__tests__|specs?)\/(.+\/)?(fixtures|snapshots)\//.test(file);
