import * as vscode from 'vscode';
import { registerCompletionSwitches } from './completion-switches.ts';
import { commands } from './contributions.ts';
import { registerExplainCompletion } from './explain-completion.ts';
import { Runtime } from './runtime.ts';
import { registerSelectModel } from './select-model.ts';
import { registerServeCompletions } from './serve-completions.ts';
import { registerShowDevices } from './show-devices.ts';
import { registerStatusBar } from './status-bar.ts';
import { TextPages } from './text-page.ts';

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('Unmask', { log: true });
  const runtime = new Runtime(context.asAbsolutePath('dist/unmask.mjs'), log);
  const pages = new TextPages();
  context.subscriptions.push(
    log,
    runtime,
    pages,
    vscode.commands.registerCommand(commands.showLog, () => log.show()),
  );

  registerServeCompletions(context, runtime);
  registerStatusBar(context, runtime);
  registerCompletionSwitches(context, runtime);
  registerExplainCompletion(context, runtime, pages);
  registerSelectModel(context, runtime);
  registerShowDevices(context, pages, log);
}
