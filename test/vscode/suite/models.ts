import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { setup, suite, suiteSetup, suiteTeardown, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { UnmaskApi } from '../../../src/extension/extension.ts';
import { FakeHub, token } from '../../catalogue/fake-hub.ts';
import { eventually, Messages } from './messages.ts';

suite('models', () => {
  let api: UnmaskApi;
  let messages: Messages;
  /** The shown messages, except those about a change of the completions' model, which may arrive one test later. */
  const shown = () => messages.shown.filter((text) => !/^Now using /.test(text));
  const setting = () => vscode.workspace.getConfiguration().get<string>('unmask.model');
  const listed = async () => [...(await api.trees.models.getChildren()), api.trees.models.problem];
  suiteSetup(async () => {
    api = await vscode.extensions.getExtension<UnmaskApi>('unmask.unmask')!.activate();
  });
  setup(() => {
    messages = new Messages([
      [/^Download /, 'Download'],
      [/^Remove /, 'Remove'],
    ]);
  });
  teardown(async () => {
    messages.restore();
    await vscode.workspace.getConfiguration().update('unmask.model', undefined, vscode.ConfigurationTarget.Global);
  });

  test('that come with the package are in the tree', async () => {
    await eventually('the runtime lists them', listed, (names) => names.includes('unmask-puzzles'));
    assert.equal(api.trees.models.problem, null);
    const item = api.trees.models.getTreeItem('unmask-puzzles');
    assert.match(String(item.description), /^[\d.]+ MB · [\d.]+ million parameters$/);
    assert.match(item.contextValue ?? '', /^model\.bundled/);
    assert.match(String(item.tooltip), /\nlicence mit\n.*\nMemory: needs about /);
  });

  test('change, and come back by one command', async () => {
    const before = setting();
    await vscode.commands.executeCommand('unmask.useModel', 'unmask-other');
    await eventually(
      'the change is reported',
      () => messages.shown,
      (shown) => shown.some((text) => /^Now using unmask-other \(was /.test(text)),
    );
    assert.equal(setting(), 'unmask-other');
    await vscode.commands.executeCommand('unmask.previousModel');
    assert.equal(setting(), before);
  });

  test('are chosen for one workspace, outside its files and settings', async () => {
    await vscode.workspace.getConfiguration().update('unmask.model', 'unmask-other', vscode.ConfigurationTarget.Global);
    await eventually('the models are known', listed, (names) => names.includes('unmask-code'));
    messages.shown.length = 0;
    const questions = answerPicks(['unmask-code', 'For this workspace only']);
    try {
      // A request while the runtime starts waits for it.
      const restarted = vscode.commands.executeCommand('unmask.restartRuntime');
      await vscode.commands.executeCommand('unmask.selectModel');
      await restarted;
    } finally {
      questions.restore();
    }
    assert.match(questions.titles[0] ?? '', /^Select a model for completions \(current: unmask-other\)$/);
    assert.deepEqual(
      questions.labels[0]?.slice(-2).map((label) => label.replace(/^\$\([\w-]+\) /, '')),
      ['Add a model from the Hugging Face Hub…', 'Add a model folder…'],
    );
    await eventually(
      'the change is reported',
      () => messages.shown,
      (shown) => shown.some((text) => /^Now using unmask-code \(was unmask-other\)/.test(text)),
    );
    assert.equal(setting(), 'unmask-other');
    assert.equal(api.trees.models.getTreeItem('unmask-code').contextValue, 'model.bundled.used');
    const [folder] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(folder && !existsSync(path.join(folder.uri.fsPath, '.vscode', 'settings.json')));
    // The model in the setting no longer needs a choice for the workspace.
    await vscode.commands.executeCommand('unmask.previousModel');
    await vscode.workspace.getConfiguration().update('unmask.model', undefined, vscode.ConfigurationTarget.Global);
    await eventually(
      'the setting is what counts',
      async () => {
        await listed();
        return String(api.trees.models.getTreeItem('unmask-code').contextValue);
      },
      (context) => context === 'model.bundled.used',
    );
  });

  test('that come with the package cannot be removed', async () => {
    await api.trees.models.getChildren();
    await vscode.commands.executeCommand('unmask.removeModel', 'unmask-puzzles');
    assert.match(shown()[0] ?? '', /unmask-puzzles is not an installed model/);
    await vscode.commands.executeCommand('unmask.removeModel', '../runs');
    assert.match(shown()[1] ?? '', /is not an installed model/);
  });

  suite('of the hub', () => {
    const id = 'test-org/puzzles';
    let hub: FakeHub;
    suiteSetup(async () => {
      hub = await FakeHub.start();
      const folder = path.join(
        vscode.extensions.getExtension('unmask.unmask')!.extensionPath,
        'models',
        'unmask-puzzles',
      );
      const files = (await readdir(folder)).map(async (name) => ({
        name,
        content: await readFile(path.join(folder, name)),
        large: name.endsWith('.safetensors'),
      }));
      hub.repositories.push({
        id,
        commit: 'a'.repeat(40),
        gated: true,
        licence: 'mit',
        files: await Promise.all(files),
      });
      process.env.HF_ENDPOINT = hub.endpoint;
    });
    suiteTeardown(async () => {
      delete process.env.HF_ENDPOINT;
      await hub.stop();
    });

    test('are added with the stored token after their size and licence were shown, and removed', async () => {
      await vscode.commands.executeCommand('unmask.addModel', { hub: id });
      assert.match(
        shown()[0] ?? '',
        /^Unmask: test-org\/puzzles is gated: accept its terms on .*Set Hugging Face Token/,
      );
      const { showInputBox } = vscode.window;
      Object.assign(vscode.window, { showInputBox: async () => token });
      await vscode.commands.executeCommand('unmask.setHubToken');
      assert.equal(await vscode.commands.executeCommand('unmask.addModel', { hub: id }), id);
      assert.ok(messages.shown.includes(`Download ${id}?`));
      await eventually('it is listed', listed, (names) => names.includes(id));
      assert.match(api.trees.models.getTreeItem(id).contextValue ?? '', /^model\.installed$/);
      for (const { host, authorization } of hub.seen.slice(-4))
        assert.equal(authorization, host === 'hub' ? `Bearer ${token}` : null);
      await vscode.commands.executeCommand('unmask.removeModel', id);
      assert.ok(!existsSync(path.join(process.env.UNMASK_HOME!, 'models', id)));
      Object.assign(vscode.window, { showInputBox: async () => '' });
      await vscode.commands.executeCommand('unmask.setHubToken');
      assert.equal(shown().at(-1), 'No Hugging Face token is stored.');
      Object.assign(vscode.window, { showInputBox });
    });

    test('are rejected if they do not exist', async () => {
      await vscode.commands.executeCommand('unmask.addModel', { hub: 'test-org/nothing' });
      assert.match(shown()[0] ?? '', /^Unmask: The hub refuses access to test-org\/nothing without a token/);
      await vscode.commands.executeCommand('unmask.addModel', { hub: '../nothing' });
      assert.match(shown()[1] ?? '', /^Unmask: "\.\.\/nothing" is not a model id; /);
    });
  });
});

/** Answers one quick pick after the other by the items' labels; records titles and labels. */
function answerPicks(answers: readonly string[]) {
  const { showQuickPick } = vscode.window;
  const [titles, labels]: [string[], string[][]] = [[], []];
  Object.assign(vscode.window, {
    showQuickPick: async (
      items: readonly vscode.QuickPickItem[] | Promise<readonly vscode.QuickPickItem[]>,
      options: vscode.QuickPickOptions,
    ) => {
      const shown = await items;
      titles.push(options.title ?? '');
      labels.push(shown.map(({ label }) => label));
      return shown.find(({ label }) => label === answers[titles.length - 1]);
    },
  });
  return { titles, labels, restore: () => Object.assign(vscode.window, { showQuickPick }) };
}
