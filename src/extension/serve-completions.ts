import * as vscode from 'vscode';
import { type AcceptedSuggestion, suggestionAccepted, suggestionAcceptedCommand } from '../protocol/runtime.ts';
import { commands } from './contributions.ts';
import type { ChosenModel } from './models/chosen-model.ts';
import type { Runtime } from './runtime.ts';

/** Starts the runtime with the window, and sends it changed settings and accepted suggestions. */
export function registerServeCompletions(
  context: vscode.ExtensionContext,
  runtime: Runtime,
  chosen: ChosenModel,
): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.restartRuntime, async () => {
      await runtime.restart();
      // Not awaited: the command is done, even if the message stays open.
      if (runtime.state.kind === 'running') void vscode.window.showInformationMessage('The runtime was restarted.');
      else void vscode.window.showErrorMessage(`The runtime was not restarted. ${runtime.state.reason}`);
    }),
    vscode.commands.registerCommand(suggestionAcceptedCommand, (accepted: AcceptedSuggestion) =>
      runtime.notify(suggestionAccepted, accepted),
    ),
    chosen.onDidChange(() => runtime.sendSettings()),
    vscode.workspace.onDidChangeWorkspaceFolders(() => runtime.sendSettings()),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration('unmask.node')) void runtime.restart();
      else if (event.affectsConfiguration('unmask')) void runtime.sendSettings();
    }),
  );
  void runtime.restart();
}
