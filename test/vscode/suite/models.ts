import assert from 'node:assert/strict';
import { setup, suite, suiteSetup, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import type { UnmaskApi } from '../../../src/extension/extension.ts';
import { eventually, Messages } from './messages.ts';

suite('models', () => {
  let api: UnmaskApi;
  let messages: Messages;
  const setting = () => vscode.workspace.getConfiguration().get<string>('unmask.model');
  suiteSetup(async () => {
    api = await vscode.extensions.getExtension<UnmaskApi>('unmask.unmask')!.activate();
  });
  setup(() => {
    messages = new Messages();
  });
  teardown(async () => {
    messages.restore();
    await vscode.workspace.getConfiguration().update('unmask.model', undefined, vscode.ConfigurationTarget.Global);
  });

  test('that come with the package are in the tree', async () => {
    await eventually(
      'the runtime tells them',
      async () => [...(await api.trees.models.getChildren()), api.trees.models.problem],
      (told) => told.includes('unmask-puzzles'),
    );
    assert.equal(api.trees.models.problem, null);
    const item = api.trees.models.getTreeItem('unmask-puzzles');
    assert.match(String(item.description), /^[\d.]+ MB · [\d.]+ million parameters$/);
    assert.match(item.contextValue ?? '', /^model\.bundled/);
  });

  test('change, and come back by one command', async () => {
    const before = setting();
    await vscode.commands.executeCommand('unmask.useModel', 'unmask-other');
    await eventually(
      'the change is told',
      () => messages.shown,
      (shown) => shown.some((text) => /now come from unmask-other, before from/.test(text)),
    );
    assert.equal(setting(), 'unmask-other');
    await vscode.commands.executeCommand('unmask.previousModel');
    assert.equal(setting(), before);
  });

  test('that come with the package cannot be removed', async () => {
    await api.trees.models.getChildren();
    await vscode.commands.executeCommand('unmask.removeModel', 'unmask-puzzles');
    assert.match(messages.shown[0] ?? '', /unmask-puzzles was not kept on this machine/);
    await vscode.commands.executeCommand('unmask.removeModel', '../runs');
    assert.match(messages.shown[1] ?? '', /was not kept on this machine/);
  });
});
