import * as vscode from 'vscode';
import { registerAnswerAfterRestart } from './answer-after-restart.ts';
import { askUnmask } from './ask-unmask.ts';
import { registerCollectDiagnostics } from './collect-diagnostics.ts';
import { registerCompletionSwitches } from './completion-switches.ts';
import { commands } from './contributions.ts';
import { registerDataHome } from './data-home.ts';
import { registerExplainCompletion } from './explain-completion.ts';
import { ChosenModel } from './models/chosen-model.ts';
import { registerWarnSlowModel } from './models/warn-slow-model.ts';
import { registerNextEdits } from './next-edits/register-next-edits.ts';
import { NodeChoice } from './node-choice.ts';
import { printableLog } from './printable-log.ts';
import { registerReportRestingCursor } from './report-resting-cursor.ts';
import type { AllTrees } from './run-features.ts';
import { Runtime } from './runtime.ts';
import { registerSampleFile } from './sample-file.ts';
import { registerServeCompletions } from './serve-completions.ts';
import { registerShowDevices } from './show-devices.ts';
import { registerShowMenu } from './show-menu.ts';
import { registerStatusBar } from './status-bar.ts';
import { TextPages } from './text-page.ts';

/** The API for other extensions and for the tests in VS Code. */
export interface UnmaskApi {
  readonly trees: AllTrees;
}

export async function activate(context: vscode.ExtensionContext): Promise<UnmaskApi> {
  const log = printableLog(vscode.window.createOutputChannel('Unmask', { log: true }));
  const script = context.asAbsolutePath('dist/unmask.mjs');
  registerDataHome(context);
  const nodes = new NodeChoice(context, script, log);
  const chosen = new ChosenModel(context.workspaceState);
  const runtime = new Runtime(script, nodes, chosen, log);
  const pages = new TextPages();
  context.subscriptions.push(
    log,
    chosen,
    runtime,
    pages,
    vscode.commands.registerCommand(commands.showLog, () => log.show()),
  );

  registerServeCompletions(context, runtime, chosen);
  registerAnswerAfterRestart(context, runtime);
  registerReportRestingCursor(context, runtime);
  registerStatusBar(context, runtime);
  registerWarnSlowModel(context, runtime);
  registerShowMenu(context, runtime);
  registerSampleFile(context);
  registerCompletionSwitches(context, runtime);
  registerNextEdits(context, runtime, log);
  registerExplainCompletion(context, runtime, pages);
  registerShowDevices(context, pages, log);
  registerCollectDiagnostics(context, { ask: askUnmask(nodes, script, log), runtime, pages, log });

  // The rest takes longer to load than everything above, so it waits for the next turn of the event loop.
  await new Promise(setImmediate);
  const { registerRunFeatures } = await import('./run-features.ts');
  return { trees: registerRunFeatures(context, { nodes, chosen, runtime, script, pages, log }) };
}
