import * as vscode from 'vscode';
import { snooze } from '../protocol/runtime.ts';
import { commands, settings } from './contributions.ts';
import type { Runtime } from './runtime.ts';

/** Durations of a snooze, in minutes. */
const snoozeMinutes = [5, 15, 60] as const;

/** Commands that turn completions on and off: everywhere, for a language, or for some time. */
export function registerCompletionSwitches(context: vscode.ExtensionContext, runtime: Runtime): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.toggleCompletions, async () => {
      const configuration = vscode.workspace.getConfiguration();
      await configuration.update(
        settings.enabled,
        !configuration.get(settings.enabled),
        vscode.ConfigurationTarget.Global,
      );
    }),
    vscode.commands.registerCommand(commands.toggleLanguage, async () => {
      const language = vscode.window.activeTextEditor?.document.languageId;
      if (language === undefined) {
        void vscode.window.showInformationMessage(
          'Open a file first. Completions are turned on or off for its language.',
        );
        return;
      }
      const configuration = vscode.workspace.getConfiguration();
      const languages = { ...configuration.get<Record<string, boolean>>(settings.languages) };
      languages[language] = !(languages[language] ?? languages['*'] ?? true);
      await configuration.update(settings.languages, languages, vscode.ConfigurationTarget.Global);
    }),
    vscode.commands.registerCommand(commands.snoozeCompletions, async (minutes?: number) => {
      const chosen = minutes ?? (await pickMinutes());
      if (chosen === undefined) return;
      await runtime.notify(snooze, { until: chosen === 0 ? null : Date.now() + chosen * 60_000 });
    }),
  );
}

async function pickMinutes(): Promise<number | undefined> {
  const items = [
    ...snoozeMinutes.map((minutes) => ({ label: minutes === 60 ? '1 hour' : `${minutes} minutes`, minutes })),
    { label: 'End snooze', minutes: 0 },
  ];
  return (await vscode.window.showQuickPick(items, { title: 'Snooze completions for' }))?.minutes;
}
