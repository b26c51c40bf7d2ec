import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { setup, suite, suiteSetup, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { UnmaskApi } from '../../../src/extension/extension.ts';
import { eventually, Messages } from './messages.ts';

/** A run of this many steps, each as small as possible. */
const endless = {
  task: 'sudoku4x4',
  objective: 'spg-mixture',
  model: 'unmask-puzzles',
  length: { steps: 100_000 },
  testProblems: 0,
  hyperparameters: {
    ...{ prompts_per_step: 1, group_size: 2, mask_samples: 1, inner_updates: 1, decoding_steps: 2 },
    ...{ evaluate_every: 0, evaluation_problems: 1, checkpoint_every: 0 },
  },
};

suite('runs', () => {
  let api: UnmaskApi;
  let messages: Messages;
  let dir: string;
  suiteSetup(async () => {
    api = await vscode.extensions.getExtension<UnmaskApi>('unmask.unmask')!.activate();
  });
  setup(() => {
    messages = new Messages([
      [/^Delete all /, 'Delete All'],
      [/^Delete /, 'Delete'],
      [/^Remove /, 'Remove'],
    ]);
  });
  teardown(() => messages.restore());

  const item = async () => (dir ? await api.trees.runs.getTreeItem(dir) : undefined);
  const isInState = (state: string) =>
    eventually(
      `the run is ${state}`,
      async () => (await item())?.contextValue,
      (value) => value === `run.${state}.tune`,
    );
  const run = (command: string) => vscode.commands.executeCommand(`unmask.${command}`, dir);

  test('are none at first, and the views say what to do next', async () => {
    assert.deepEqual(await api.trees.runs.getChildren(), []);
    assert.deepEqual(await api.trees.evaluations.getChildren(), []);
    const manifest = vscode.extensions.getExtension('unmask.unmask')!.packageJSON;
    const welcome = manifest.contributes.viewsWelcome as { view: string; contents: string }[];
    const registered = await vscode.commands.getCommands(true);
    for (const view of ['unmask.runs', 'unmask.models', 'unmask.evaluations']) {
      const contents = welcome.find((entry) => entry.view === view)?.contents ?? '';
      const links = [...contents.matchAll(/\(command:([\w.]+)\)/g)].map(([, command]) => command!);
      assert.ok(
        links.some((link) => link.startsWith('unmask.')),
        view,
      );
      for (const link of links) assert.ok(registered.includes(link), link);
    }
  });

  test('are started by a command, and appear as a tree item', async () => {
    dir = (await vscode.commands.executeCommand<string>('unmask.tuneOnTask', endless)) ?? '';
    assert.deepEqual(messages.shown, []);
    assert.equal(path.dirname(dir), path.join(process.env.UNMASK_HOME!, 'runs'));
    assert.deepEqual(await api.trees.runs.getChildren(), [dir]);
    await isInState('running');
    const shown = await eventually('it makes steps', item, (found) =>
      /^[1-9]\d*\/100000 · /.test(String(found?.description)),
    );
    assert.ok(shown);
    assert.equal(shown.label, 'sudoku4x4 · spg-mixture');
    assert.match(String(shown.description), /left · [\d.]+ (kB|MB)$/);
    assert.equal((shown.iconPath as vscode.ThemeIcon).id, 'sync~spin');
    assert.match(
      shown.accessibilityInformation?.label ?? '',
      /^sudoku4x4 · spg-mixture, Tuning on sudoku4x4 with spg-mixture, running, /,
    );
    assert.deepEqual(shown.command, { command: 'unmask.openRun', title: 'Open Run', arguments: [dir] });
  });

  test('pause and continue', async () => {
    await run('pauseRun');
    await isInState('paused');
    assert.ok(existsSync(path.join(dir, 'checkpoints')), 'it saved before it paused');
    await run('resumeRun');
    await isInState('running');
  });

  test('cannot be deleted while they are running', async () => {
    await run('deleteRun');
    assert.match(messages.shown.at(-1) ?? '', /^Unmask: Run directory .* is in use by process \d+/);
    assert.ok(existsSync(dir));
  });

  test('stop without a message, and resume in a new process', async () => {
    await run('stopRun');
    await isInState('interrupted');
    assert.deepEqual(messages.shown, []);
    await run('resumeRun');
    await isInState('running');
    await run('stopRun');
    await isInState('interrupted');
  });

  test('that do not respond are reported', async () => {
    await run('pauseRun');
    assert.match(messages.shown.at(-1) ?? '', /^Unmask: No process runs .*resume the run to continue it\.$/);
  });

  test('report their end once, with their result, which can be compared and kept', async () => {
    const brief = { ...endless, length: { steps: 2 }, testProblems: 2 };
    const ended = await vscode.commands.executeCommand<string>('unmask.tuneOnTask', brief);
    await eventually(
      'its end is reported',
      () => messages.shown,
      (shown) => shown.length > 0,
    );
    assert.match(
      messages.shown[0]!,
      /^Tuning on sudoku4x4 with spg-mixture finished after 2 steps: cell_accuracy 0\.\d+ before, [01]\.\d+ after\.$/,
    );
    messages.shown.length = 0;
    await vscode.commands.executeCommand('unmask.compareWithBase', ended, 4);
    const evaluations = (await api.trees.evaluations.getChildren()) ?? [];
    assert.equal(evaluations.length, 2, 'the base and the tuned model answered the same problems');
    const folder = await vscode.commands.executeCommand<string>('unmask.keepModel', ended, 'kept-by-test');
    assert.equal((await api.trees.evaluations.getChildren())?.length, 2, 'keeping a model does not evaluate it again');
    assert.equal(folder, path.join(process.env.UNMASK_HOME!, 'models', 'kept-by-test'));
    assert.ok(existsSync(path.join(folder, 'model.safetensors')));
    assert.ok(!existsSync(path.join(folder, 'optimizer.safetensors')));
    await eventually(
      'the model is listed',
      () => api.trees.models.getChildren(),
      (names) => names.includes('kept-by-test'),
    );
    assert.deepEqual(
      messages.shown.filter((text) => /^Unmask: /.test(text)),
      [],
    );
    await vscode.commands.executeCommand('unmask.removeModel', 'kept-by-test');
    assert.ok(!existsSync(folder));
    await vscode.commands.executeCommand('unmask.deleteRun', ended);
    assert.deepEqual(await api.trees.runs.getChildren(), [dir]);
  });

  test('that cannot start show the reason', async () => {
    const started = await vscode.commands.executeCommand('unmask.tuneOnTask', { ...endless, task: 'chess' });
    assert.equal(started, undefined);
    assert.match(messages.shown[0] ?? '', /^Unmask: .*chess.*sudoku4x4/);
  });

  test('are deleted after a question', async () => {
    await run('deleteRun');
    assert.match(
      messages.shown[0] ?? '',
      /^Delete Tuning on sudoku4x4 with spg-mixture \(sudoku4x4 · spg-mixture\)\?$/,
    );
    assert.deepEqual(await api.trees.runs.getChildren(), []);
    assert.ok(!existsSync(dir));
  });

  test('are stopped and deleted with all other data of the machine', async () => {
    const started = await vscode.commands.executeCommand<string>('unmask.tuneOnTask', endless);
    await vscode.commands.executeCommand('unmask.deleteAllData');
    assert.match(messages.shown[0] ?? '', /^Delete all runs, models, evaluations, comparisons and caches of Unmask\?/);
    assert.equal(messages.shown[1], 'All local data of Unmask was deleted.');
    assert.ok(started && !existsSync(started));
    assert.deepEqual(await api.trees.runs.getChildren(), []);
    assert.deepEqual(await api.trees.evaluations.getChildren(), []);
  });
});
