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
    vscode.commands.registerCommand(commands.restartRuntime, () => runtime.restart()),
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
