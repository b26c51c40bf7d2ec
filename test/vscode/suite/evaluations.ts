import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setup, suite, suiteSetup, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { UnmaskApi } from '../../../src/extension/extension.ts';
import { eventually, Messages } from './messages.ts';

const brief = { suites: ['sudoku4x4'], model: 'unmask-puzzles', problems: 3 };
const run = <T>(command: string, ...args: readonly unknown[]) =>
  vscode.commands.executeCommand<T>(`unmask.${command}`, ...args);

/** Labels of the open tabs. */
const tabs = () => vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs.map(({ label }) => label));

/** The window reports its tabs to the extension host a moment later. */
const tabsAre = (...labels: readonly string[]) =>
  eventually('tabs', tabs, (found) => JSON.stringify(found) === JSON.stringify(labels));

suite('evaluations', () => {
  let api: UnmaskApi;
  let messages: Messages;
  let dir: string;
  suiteSetup(async () => {
    api = await vscode.extensions.getExtension<UnmaskApi>('unmask.unmask')!.activate();
  });
  setup(() => {
    messages = new Messages([[/^Delete .*\?$/, 'Delete']]);
  });
  teardown(async () => {
    messages.restore();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  test('run as a job, appear in the tree, and open as a page', async () => {
    const finished = await run<string[]>('runSpgEval', brief);
    assert.deepEqual(messages.shown, []);
    assert.equal(finished?.length, 1);
    dir = finished![0]!;
    assert.equal(path.dirname(dir), path.join(process.env.UNMASK_HOME!, 'evaluations'));
    const result = JSON.parse(await readFile(path.join(dir, 'result.json'), 'utf8')) as { n: number };
    assert.equal(result.n, 3);
    await eventually(
      'the tree shows it',
      async () => api.trees.evaluations.getChildren(),
      (dirs) => (dirs ?? []).includes(dir),
    );
    const item = await api.trees.evaluations.getTreeItem(dir);
    assert.equal(item.contextValue, 'evaluation.finished.evaluate');
    await tabsAre('Evaluation: unmask-puzzles · sudoku4x4');
  });

  test('open next to the previous one, once each', async () => {
    const finished = await run<string[]>('runSpgEval', { ...brief, problems: 4 });
    await run('openEvaluation', finished![0]);
    await run('openEvaluation', dir);
    assert.deepEqual(messages.shown, []);
    await tabsAre('Evaluation: unmask-puzzles · sudoku4x4', 'Evaluation: unmask-puzzles · sudoku4x4');
  });

  test('that cannot start show the reason in one message', async () => {
    assert.equal(await run('runSpgEval', { ...brief, model: 'nosuch' }), undefined);
    assert.equal(messages.shown.length, 1);
    assert.match(messages.shown[0]!, /^Unmask: There is no model nosuch; /);
    await run('openEvaluation', '/nowhere');
    assert.match(messages.shown.at(-1)!, /^Unmask: There is no evaluation \/nowhere /);
    await tabsAre();
  });

  test('are exported to the folder that the user chooses', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-export-'));
    const showSaveDialog = vscode.window.showSaveDialog;
    try {
      for (const format of ['csv', 'jsonl']) {
        const file = path.join(folder, `answers.${format}`);
        vscode.window.showSaveDialog = () => Promise.resolve(vscode.Uri.file(file));
        assert.equal(await run('exportEvaluation', dir, format), file);
        assert.match(messages.shown.at(-1)!, /^Exported 3 answers to /);
        assert.match(await readFile(file, 'utf8'), format === 'csv' ? /^puzzle,solution,problem,/ : /^\{"puzzle":/);
      }
    } finally {
      vscode.window.showSaveDialog = showSaveDialog;
      await rm(folder, { recursive: true });
    }
  });

  test('are deleted after confirmation, together with their page', async () => {
    await run('openEvaluation', dir);
    messages.restore();
    messages = new Messages();
    await run('deleteEvaluation', dir);
    assert.match(messages.shown[0]!, /^Delete the evaluation on sudoku4x4 from .*\?$/);
    assert.ok(existsSync(dir), 'the deletion was not confirmed');
    messages.restore();
    messages = new Messages([[/^Delete /, 'Delete']]);
    await run('deleteEvaluation', dir);
    assert.equal(existsSync(dir), false);
    await tabsAre();
    assert.equal((await api.trees.evaluations.getChildren())?.includes(dir), false);
  });
});
