import * as vscode from 'vscode';
import { commands } from './contributions.ts';
import { sample } from './sample-text.ts';

/** `Unmask: New Sample File`: opens a TypeScript file with the cursor where a completion appears. */
export function registerSampleFile(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.newSample, async () => {
      const [before, after] = sample.split('|') as [string, string];
      const document = await vscode.workspace.openTextDocument({ language: 'typescript', content: before + after });
      const position = document.positionAt(before.length);
      await vscode.window.showTextDocument(document, { selection: new vscode.Range(position, position) });
      await vscode.commands.executeCommand('editor.action.inlineSuggest.trigger');
    }),
  );
}
