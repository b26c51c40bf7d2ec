import assert from 'node:assert/strict';
import { setup, suite, teardown, test } from 'mocha';
import * as vscode from 'vscode';

const command = 'unmask.showDevices';

/** VS Code keeps a closed page for a while, and requests its new text a moment later. */
async function pageHolds(text: string): Promise<void> {
  const shown = () => vscode.window.activeTextEditor?.document.getText() ?? '';
  const deadline = Date.now() + 10_000;
  while (!shown().includes(text) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(shown().includes(text), shown());
}

suite('unmask', () => {
  const extension = vscode.extensions.getExtension('unmask.unmask');
  const configuration = () => vscode.workspace.getConfiguration('unmask');
  const showErrorMessage = vscode.window.showErrorMessage;
  let errors: string[] = [];

  setup(() => {
    errors = [];
    // The message's own promise resolves when the user answers it, which does not happen in a test.
    vscode.window.showErrorMessage = (message: string) => {
      errors.push(message);
      return Promise.resolve(undefined);
    };
  });

  teardown(async () => {
    vscode.window.showErrorMessage = showErrorMessage;
    await configuration().update('node', undefined, vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  test('is installed, and activated soon after the window opens', async () => {
    assert.ok(extension);
    await extension.activate();
    assert.equal(extension.isActive, true);
  });

  test('opens a page by its command, with the engines and the chosen one', async () => {
    await vscode.commands.executeCommand(command);
    assert.deepEqual(errors, []);

    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.toString(), 'unmask:/Unmask%20Devices');
    const text = document.getText();
    assert.match(text, /^Selected: (onnx|tensorflow) on \w+$/m);
    assert.match(
      text,
      /^> +(onnx|tensorflow) +\w+ +yes +passed +[\d.]+$/m,
      'the chosen engine was tested and measured',
    );
    assert.match(text, /^[> ] +onnx +cpu +yes +passed +[\d.]+/m);
    assert.match(text, /^Sandbox: /m);
    assert.match(text, /^Node\.js: \d+\.\d+\.\d+, \S+/m);
    assert.equal(document.isDirty, false);
  });

  test('measures again each time and shows the result in the same page', async () => {
    await vscode.commands.executeCommand(command);
    await vscode.commands.executeCommand(command);
    assert.deepEqual(errors, []);
    assert.equal(vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs).length, 1);
  });

  test('has its commands declared, with the category Unmask', async () => {
    const declared = extension?.packageJSON.contributes.commands as { command: string; category: string }[];
    const registered = await vscode.commands.getCommands(true);
    for (const { command, category } of declared) {
      assert.ok(registered.includes(command), `${command} is registered`);
      assert.equal(category, 'Unmask');
    }
  });

  test('reports that the setting is wrong if it names no Node', async () => {
    await configuration().update('node', '/no/such/node', vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand(command);
    assert.equal(errors.length, 1);
    assert.match(errors[0]!, /^Unmask: unmask\.node is set to \/no\/such\/node, which does not exist\. /);
    assert.equal(vscode.window.activeTextEditor, undefined);
  });

  test('uses the Node that the setting names', async () => {
    await configuration().update('node', process.execPath, vscode.ConfigurationTarget.Global);
    await vscode.commands.executeCommand(command);
    assert.deepEqual(errors, []);
    await pageHolds(`Node.js: ${process.versions.node}, ${process.execPath}\n`);
  });

  test('does not let a workspace choose the Node', async () => {
    await assert.rejects(
      Promise.resolve(configuration().update('node', '/no/such/node', vscode.ConfigurationTarget.Workspace)),
    );
  });
});
