import * as vscode from 'vscode';
import { defaultSettings } from '../protocol/default-settings.ts';
import { commands, settings } from './contributions.ts';
import type { Runtime } from './runtime.ts';
import { describeState } from './status-bar.ts';

type Item = vscode.QuickPickItem & { readonly command?: string; readonly argument?: unknown };

/** `Unmask: Show Menu`: the menu that a click on the status bar item opens. */
export function registerShowMenu(context: vscode.ExtensionContext, runtime: Runtime): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.showMenu, async () => {
      const configuration = vscode.workspace.getConfiguration();
      const enabled = configuration.get<boolean>(settings.enabled, defaultSettings.completions.enabled);
      const { summary } = describeState(runtime.state, enabled);
      const language = vscode.window.activeTextEditor?.document.languageId ?? null;
      const picked = await vscode.window.showQuickPick<Item>(menuItems(enabled, language), {
        title: `Unmask: ${summary}`,
        matchOnDescription: true,
      });
      if (picked?.command !== undefined)
        await vscode.commands.executeCommand(
          picked.command,
          ...(picked.argument === undefined ? [] : [picked.argument]),
        );
    }),
  );
}

/** @param language id of the language of the active editor; null: there is none */
export function menuItems(enabled: boolean, language: string | null): Item[] {
  const separator = (label: string): Item => ({ label, kind: vscode.QuickPickItemKind.Separator });
  const item = (icon: string, label: string, command: string, argument?: unknown): Item => ({
    label: `$(${icon}) ${label}`,
    command,
    ...(argument === undefined ? {} : { argument }),
  });
  return [
    separator('Completions'),
    enabled
      ? item('circle-slash', 'Turn completions off', commands.toggleCompletions)
      : item('sparkle', 'Turn completions on', commands.toggleCompletions),
    ...(language === null
      ? []
      : [item('symbol-misc', `Turn completions for ${language} on or off`, commands.toggleLanguage)]),
    item('bell-slash', 'Snooze completions\u2026', commands.snoozeCompletions),
    item('question', 'Explain the last completion', commands.explainLastCompletion),
    item('list-selection', 'Select model\u2026', commands.selectModel),
    separator('Workspace'),
    item('mortar-board', 'Learn this workspace\u2026', commands.learnWorkspace),
    item('pulse', 'How well does it know this workspace?', commands.measureWorkspace),
    separator('Runtime'),
    item('graph-line', 'Show panel', commands.showPanel),
    item('debug-restart', 'Restart runtime', commands.restartRuntime),
    item('output', 'Show log', commands.showLog),
    item('gear', 'Open settings', 'workbench.action.openSettings', '@ext:unmask.unmask'),
  ];
}
