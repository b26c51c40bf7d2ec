import * as vscode from 'vscode';
import type { CompletionTrace } from '../protocol/runtime.ts';
import { lastCompletion } from '../protocol/runtime.ts';
import type { RunUnmask } from './ask-unmask.ts';
import { commands, settings } from './contributions.ts';
import type { Runtime } from './runtime.ts';
import { withErrorsShown } from './show-error.ts';
import type { TextPages } from './text-page.ts';

/** Milliseconds for the program, which tests every backend. */
const timeout = 300_000;

/** `Unmask: Collect Diagnostics`: shows a bundle for a bug report, and saves it on request. Nothing is sent. */
export function registerCollectDiagnostics(
  context: vscode.ExtensionContext,
  {
    ask,
    runtime,
    pages,
    log,
  }: {
    readonly ask: RunUnmask;
    readonly runtime: Runtime;
    readonly pages: TextPages;
    readonly log: vscode.LogOutputChannel;
  },
): void {
  const collect = withErrorsShown(log, async () => {
    const { content } = await vscode.window.withProgress(
      { location: vscode.ProgressLocation.Notification, title: 'Unmask: Collecting diagnostics' },
      () => ask<{ content: Record<string, unknown> }>(['diagnostics'], AbortSignal.timeout(timeout)),
    );
    const trace = await runtime.request<CompletionTrace | null>(lastCompletion).catch(() => null);
    const text = JSON.stringify(
      { ...content, vscode: vscode.version, settings: plainSettings(), lastCompletion: trace && decisions(trace) },
      null,
      2,
    );
    await pages.show('Unmask Diagnostics', text);
    const save = 'Save…';
    const answer = await vscode.window.showInformationMessage(
      'Read the diagnostics before you share them. Nothing was sent.',
      save,
    );
    if (answer !== save) return;
    const file = await vscode.window.showSaveDialog({ filters: { JSON: ['json'] } });
    if (file) await vscode.workspace.fs.writeFile(file, Buffer.from(`${text}\n`));
  });
  context.subscriptions.push(vscode.commands.registerCommand(commands.collectDiagnostics, collect));
}

/** The settings whose values are numbers and switches. Texts may name folders and models. */
function plainSettings(): Record<string, unknown> {
  const configuration = vscode.workspace.getConfiguration();
  return Object.fromEntries(
    Object.values(settings)
      .map((name) => [name, configuration.get(name)] as const)
      .filter(([, value]) => typeof value === 'number' || typeof value === 'boolean'),
  );
}

/** How a completion was decided, without any text of the document or the model. */
function decisions({ trigger, outcome, source, multiline, alternatives, forwards, milliseconds }: CompletionTrace) {
  const judged = alternatives.map(({ confidence, discardedBy }) => ({ confidence, discardedBy }));
  return { trigger, outcome, source, multiline, alternatives: judged, forwards, milliseconds };
}
