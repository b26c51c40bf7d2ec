import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runTests } from '@vscode/test-electron';
import { build } from 'esbuild';
import { type SuiteResult, suites } from './suite/suites.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

// Inside the project, where VS Code looks for the extension's files, and where mocha is found.
const folder = path.join(root, '.vscode-test', 'suite');

before(async () => {
  // The leftovers of an interrupted run.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
});
after(() => rm(folder, { recursive: true, force: true }));

/** Runs the suite in VS Code and returns the result of each test. */
async function runSuite(): Promise<SuiteResult[]> {
  const workspace = path.join(folder, 'workspace');
  await cp(path.join(root, 'test', 'workspaces', 'till'), workspace, { recursive: true });
  await build({
    absWorkingDir: root,
    entryPoints: ['index', ...suites].map((name) => `test/vscode/suite/${name}.ts`),
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    format: 'cjs',
    external: ['vscode', 'mocha'],
  });
  await runTests({
    ...vscode(),
    extensionDevelopmentPath: root,
    extensionTestsPath: path.join(folder, 'index.cjs'),
    launchArgs: [workspace, `--user-data-dir=${path.join(folder, 'user')}`],
  }).catch(async (error: Error) => {
    // A failed test is in the results; without results, the suite did not finish.
    await readFile(path.join(folder, 'results.json')).catch(() => {
      throw error;
    });
  });
  return JSON.parse(await readFile(path.join(folder, 'results.json'), 'utf8')) as SuiteResult[];
}

/**
 * Which VS Code to use: the one that `VSCODE_EXECUTABLE` names, a downloaded one if it requests that, or else
 * code-server.
 */
function vscode(): { vscodeExecutablePath?: string } {
  const named = process.env.VSCODE_EXECUTABLE;
  if (named === 'download') return {};
  return { vscodeExecutablePath: named ?? fileURLToPath(new URL('code.mjs', import.meta.url)) };
}

describe('in VS Code', () => {
  it('the extension passes its suite', async (t) => {
    const results = await runSuite();
    assert.ok(results.length > 0, 'the suite ran no test');
    for (const { name, state, error } of results) {
      await t.test(name, { skip: state === 'pending' }, () => {
        assert.equal(state, 'passed', error ?? name);
      });
    }
  });
});
