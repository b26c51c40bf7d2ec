import assert from 'node:assert/strict';
import { suite, teardown, test } from 'mocha';
import * as vscode from 'vscode';
import { eventually } from './messages.ts';

suite('the panel', () => {
  teardown(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  test('opens as an editor tab', async () => {
    await vscode.commands.executeCommand('unmask.openPanelInEditor');
    const tab = await eventually(
      'a tab is there',
      () => vscode.window.tabGroups.activeTabGroup.activeTab,
      (found) => found?.label === 'Unmask',
    );
    assert.ok(tab?.input instanceof vscode.TabInputWebview);
    assert.match(tab.input.viewType, /unmask\.panelEditor$/);
  });

  test('opens in the panel area', async () => {
    await vscode.commands.executeCommand('unmask.showPanel');
    await vscode.commands.executeCommand('workbench.action.closePanel');
  });

  test('has a walkthrough that leads to it', async () => {
    await vscode.commands.executeCommand('unmask.getStarted');
  });
});
