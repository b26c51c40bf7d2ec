import * as vscode from 'vscode';
import { settings } from './contributions.ts';

/**
 * Makes the folder that `unmask.home` names the data home of this extension host and of every process that it starts:
 * they all look into `UNMASK_HOME`. Another one is used from the next window on, because runs may be under way in this.
 */
export function registerDataHome(context: vscode.ExtensionContext): void {
  const named = () => vscode.workspace.getConfiguration().get<string>(settings.home, '').trim();
  const home = named();
  if (home !== '') process.env.UNMASK_HOME = home;
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (!event.affectsConfiguration(settings.home) || named() === home) return;
      const reload = 'Reload Window';
      const answer = await vscode.window.showInformationMessage(
        'Unmask keeps its data in another folder once the window is reloaded.',
        reload,
      );
      if (answer === reload) await vscode.commands.executeCommand('workbench.action.reloadWindow');
    }),
  );
}
