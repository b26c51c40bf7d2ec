import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { ensureCodeServer } from '../../test/vscode/code-server.ts';
import { ensureOnSystem, needs } from './system-packages.ts';

/** A tool that looks at the whole tree; it counts as one test. */
export interface Check {
  readonly name: string;
  /** A script of a package, relative to the root, and its arguments. */
  readonly script: string;
  readonly args: readonly string[];
}

export const checks: readonly Check[] = [
  { name: 'lint (biome check)', script: 'node_modules/@biomejs/biome/bin/biome', args: ['check', '.'] },
  { name: 'types (tsc)', script: 'node_modules/typescript/bin/tsc', args: ['--noEmit'] },
  { name: 'types of webview (tsc)', script: 'node_modules/typescript/bin/tsc', args: ['--noEmit', '-p', 'webview'] },
  {
    name: 'layers (depcruise)',
    script: 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs',
    args: ['src', 'webview', '--config', '.dependency-cruiser.cjs'],
  },
];

/** Test files that have something in common: what they need, and how many may run at a time. */
export interface Suite {
  readonly name: string;
  /** Relative to the root, with forward slashes, in a fixed order. */
  readonly files: readonly string[];
  readonly concurrency: number;
  /** Sees that what the files need is there; an error fails the suite. */
  prepare(log: (line: string) => void): Promise<void>;
}

export function findSuites(root: string): Suite[] {
  const all = testFiles(root, 'test');
  const isIn = (folder: string) => (file: string) => file.startsWith(`test/${folder}/`);
  // What lies in workspaces are the tests of samples, run by tests of ours.
  const separate = ['sandbox', 'browser', 'vscode', 'workspaces'];
  return [
    {
      name: 'unit',
      files: all.filter((file) => !separate.some((folder) => isIn(folder)(file))),
      concurrency: 2,
      prepare: async () => {},
    },
    {
      name: 'sandbox',
      files: all.filter(isIn('sandbox')),
      concurrency: 1,
      prepare: async (log) => ensureOnSystem(needs.sandbox, log),
    },
    {
      name: 'browser',
      files: all.filter(isIn('browser')),
      concurrency: 1,
      prepare: async (log) => ensureOnSystem(needs.browser, log),
    },
    {
      name: 'vscode',
      files: all.filter(isIn('vscode')),
      concurrency: 1,
      prepare: async (log) => {
        ensureOnSystem(needs.vscode, log);
        await ensureCodeServer(log);
      },
    },
  ];
}

/** `*.test.ts` below the folder. Enumerated here, because Node's own test runner takes no globs before version 21. */
function testFiles(root: string, folder: string): string[] {
  if (!existsSync(path.join(root, folder))) return [];
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const file = `${folder}/${entry.name}`;
      if (entry.isDirectory()) return testFiles(root, file);
      return entry.name.endsWith('.test.ts') ? [file] : [];
    });
}
