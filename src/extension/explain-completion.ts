import * as vscode from 'vscode';
import { messageOf } from '../platform/errors.ts';
import { type CompletionTrace, lastCompletion } from '../protocol/runtime.ts';
import { commands } from './contributions.ts';
import type { Runtime } from './runtime.ts';
import type { TextPages } from './text-page.ts';

/** `Unmask: Explain Last Completion`: why the last suggestion showed, or did not. */
export function registerExplainCompletion(context: vscode.ExtensionContext, runtime: Runtime, pages: TextPages): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.explainLastCompletion, async () => {
      try {
        const trace = await runtime.request<CompletionTrace | null>(lastCompletion);
        await pages.show('Last Completion', explanation(trace));
      } catch (error) {
        await pages.show('Last Completion', `There is nothing to explain: ${messageOf(error)}\n`);
      }
    }),
  );
}

/** A decision path as plain text. */
export function explanation(trace: CompletionTrace | null): string {
  if (!trace) return 'No completion was asked for yet. Type in a file, or run Trigger Inline Suggestion.\n';
  const { line, character, languageId, alternatives, milliseconds } = trace;
  const file = decodeURIComponent(trace.uri.split('/').at(-1) ?? trace.uri);
  const model =
    trace.forwards === null || trace.source !== 'model'
      ? []
      : [
          '',
          `The model read ${trace.contextTokens} tokens around the cursor and made ${trace.forwards} forward passes, ${trace.tokensPerForward?.toFixed(1)} tokens each.`,
        ];
  const times = Object.entries(milliseconds).map(
    ([phase, value]) => `  ${phase.padEnd(8)} ${value.toFixed(0).padStart(6)} ms`,
  );
  return [
    trace.reason,
    '',
    `${file}, line ${line + 1}, column ${character + 1}, ${languageId}; ${trace.time}`,
    '',
    'How it was decided',
    ...trace.path.map((step, index) => `  ${index + 1}. ${step}`),
    ...model,
    '',
    'How long it took',
    ...times,
    ...(alternatives.length === 0 ? [] : ['', 'What was written']),
    ...alternatives.flatMap(({ text, confidence, discardedBy }, index) => [
      `  ${index + 1}. mean confidence ${confidence.toFixed(2)}${discardedBy === null ? '' : `, discarded: ${discardedBy}`}`,
      ...text.split('\n').map((row) => `     ${row}`),
    ]),
    '',
  ].join('\n');
}
