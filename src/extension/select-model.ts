import * as vscode from 'vscode';
import { messageOf } from '../platform/errors.ts';
import { listModels, type ModelSummary } from '../protocol/runtime.ts';
import { commands, settings } from './contributions.ts';
import type { Runtime } from './runtime.ts';
import { staysOpen } from './stays-open.ts';

/** `Unmask: Select Model`: which model completes. */
export function registerSelectModel(context: vscode.ExtensionContext, runtime: Runtime): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.selectModel, async () => {
      const configuration = vscode.workspace.getConfiguration();
      const models = runtime.request<ModelSummary[]>(listModels);
      const items = models.then((found) => found.filter(({ completes }) => completes).map(asItem));
      try {
        const title = `Model that completes code (now ${configuration.get(settings.model)})`;
        const chosen = await vscode.window.showQuickPick(items, { title, matchOnDescription: true, ...staysOpen });
        if (chosen) await configuration.update(settings.model, chosen.name, vscode.ConfigurationTarget.Global);
      } catch (error) {
        void vscode.window.showErrorMessage(`Unmask: ${messageOf(error)}`);
      }
    }),
  );
}

const kinds = { bundled: 'comes with Unmask', installed: 'installed', run: "a run's last checkpoint" } as const;

function asItem({ name, kind, parameters, bytes, description }: ModelSummary) {
  const size = `${((parameters ?? 0) / 1e6).toFixed(1)} million parameters, ${(bytes / 2 ** 20).toFixed(0)} MiB`;
  return {
    label: name.split(/[\\/]/).at(-1) as string,
    description: `${size}; ${kinds[kind]}`,
    detail: description,
    name,
  };
}
