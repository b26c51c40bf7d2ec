import * as vscode from 'vscode';
import { commands } from '../contributions.ts';
import type { Runtime } from '../runtime.ts';
import { slowWarning } from './model-items.ts';

const warnedKey = 'unmask.slowModels';

/** Warns once about each model that is slow on this machine. */
export function registerWarnSlowModel(context: vscode.ExtensionContext, runtime: Runtime): void {
  const warned = new Set(context.globalState.get<readonly string[]>(warnedKey, []));
  context.subscriptions.push(
    runtime.onDidChangeState((state) => {
      const status = state.kind === 'running' ? state.status : null;
      const warning = status && slowWarning(status);
      if (!status || !warning || warned.has(status.model)) return;
      warned.add(status.model);
      void context.globalState.update(warnedKey, [...warned]);
      const select = 'Select Model';
      void vscode.window.showWarningMessage(warning, select).then((answer) => {
        if (answer === select) void vscode.commands.executeCommand(commands.selectModel);
      });
    }),
  );
}
