import { existsSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import type { SandboxLimits } from '../../sandbox/limits.ts';
import type { SandboxJob, ShownPath } from '../../sandbox/sandbox.ts';

/** A test runner of a workspace: which files are its tests, and how a file of them is run. */
export interface TestRunner {
  readonly name: string;
  isTest(file: string): boolean;
  /** What decides how tests are run: no candidate can touch it. */
  isConfiguration(file: string): boolean;
  /** What is run one after the other; absent: every file that is a test. */
  suites?(files: readonly string[]): readonly string[];
  /** False where a run does not tell which functions it calls, so that each may be called by any. */
  readonly tellsCalls?: boolean;
  /** Whether TypeScript is run without its types, because this Node does not take them. */
  readonly stripTypes: boolean;
  /** What a run may take, where that is not what runs of tests take as a rule. */
  readonly limits?: Partial<SandboxLimits>;
  /** The job that runs test files, but for the nonce; its input is what the harness is told beside that. */
  job(files: readonly string[], coverage: boolean): RunnerJob;
  /** Tells one way of running the same tests from another, for caches. */
  readonly version: string;
}

export interface RunnerJob {
  readonly job: Pick<SandboxJob, 'command' | 'shown' | 'files' | 'environment'>;
  readonly input: Readonly<Record<string, unknown>>;
}

/** What tells which runner a workspace has. */
export interface Workspace {
  readonly root: string;
  readonly files: readonly string[];
  /** The scripts of `package.json` that are about tests, as one text. */
  readonly scripts: string;
  /** The text of a file; empty where it cannot be read. */
  readonly read: (file: string) => Promise<string>;
}

/** Makes the runner of a workspace whose tests are its own; null for one whose are not. Throws a `UserError` where they cannot run. */
export type RunnerOf = (workspace: Workspace) => Promise<TestRunner | null>;

/** Whether one of the files matches. */
export async function someFile({ read }: Workspace, files: readonly string[], pattern: RegExp): Promise<boolean> {
  for (const file of files) if (pattern.test(await read(file))) return true;
  return false;
}

/** Installed packages, as they are; the nearest folder of them, as Node looks for it, and no link to another kind of folder. */
export function installedPackages(root: string): ShownPath[] {
  for (let folder = root; ; folder = path.dirname(folder)) {
    const host = path.join(folder, 'node_modules');
    const isOne = existsSync(host) && path.basename(realpathSync(host)) === 'node_modules';
    if (isOne) return [{ host, inside: 'work/node_modules' }];
    if (folder === path.dirname(folder)) return [];
  }
}

/** The same where a package is among them; throws a `UserError` where it is not. */
export function installed(root: string, name: string): ShownPath[] {
  const packages = installedPackages(root);
  if (packages.some(({ host }) => existsSync(path.join(host, name, 'package.json')))) return packages;
  throw new UserError(`The tests of ${root} are run by ${name}, which is not installed there; run npm install.`);
}

/** What decides how Node and TypeScript take files, whatever runs them. */
export const isPackageConfiguration = (file: string): boolean =>
  /(^|\/)(package(-lock)?\.json|tsconfig[^/]*\.json)$/.test(file);

/**
 * Data that tests compare with, such as snapshots of what was right. What else lies beside tests is not of it: they may
 * write there.
 */
export const isTestData = (file: string): boolean =>
  /(^|\/)(testdata|goldens?|__(fixtures|snapshots)__)\/|\.snap(shot)?$/.test(file) ||
  /(^|\/)(tests?|__tests__|specs?)\/(.+\/)?(fixtures|snapshots)\//.test(file);
