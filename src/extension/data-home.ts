import * as vscode from 'vscode';
import { settings } from './contributions.ts';

/**
 * Makes the folder in `unmask.home` the data home of this extension host and of every process that it starts: they all
 * read `UNMASK_HOME`. A change takes effect after reloading the window, because runs may be active in this one.
 */
export function registerDataHome(context: vscode.ExtensionContext): void {
  const configuredHome = () => vscode.workspace.getConfiguration().get<string>(settings.home, '').trim();
  const home = configuredHome();
  if (home !== '') process.env.UNMASK_HOME = home;
  context.subscriptions.push(
    vscode.workspace.onDidChangeConfiguration(async (event) => {
      if (!event.affectsConfiguration(settings.home) || configuredHome() === home) return;
      const reload = 'Reload Window';
      const answer = await vscode.window.showInformationMessage(
        'Reload the window to use the new Unmask data folder.',
        reload,
      );
      if (answer === reload) await vscode.commands.executeCommand('workbench.action.reloadWindow');
    }),
  );
}
