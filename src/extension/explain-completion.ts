import * as vscode from 'vscode';
import { count } from '../platform/amounts.ts';
import { messageOf } from '../platform/errors.ts';
import { describeCandidate } from '../protocol/describe-candidate.ts';
import { type CompletionTrace, lastCompletion } from '../protocol/runtime.ts';
import { commands } from './contributions.ts';
import type { Runtime } from './runtime.ts';
import type { TextPages } from './text-page.ts';

/** `Unmask: Explain Last Completion`: shows why the last suggestion appeared or did not appear. */
export function registerExplainCompletion(context: vscode.ExtensionContext, runtime: Runtime, pages: TextPages): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.explainLastCompletion, async () => {
      try {
        const trace = await runtime.request<CompletionTrace | null>(lastCompletion);
        await pages.show('Last Completion', explanation(trace && withRelativeNames(trace)));
      } catch (error) {
        await pages.show('Last Completion', `The last completion cannot be explained. ${messageOf(error)}\n`);
      }
    }),
  );
}

/** Text of a decision path, whose file names are shown as they are. */
export function explanation(trace: CompletionTrace | null): string {
  if (!trace) return 'There has been no completion yet. Type in a file, or run Trigger Inline Suggestion.\n';
  const { line, character, languageId, alternatives, milliseconds } = trace;
  const file = decodeURIComponent(trace.uri.split('/').at(-1) ?? trace.uri);
  const model =
    trace.forwards === null || trace.source !== 'model'
      ? []
      : [
          '',
          `The model read ${count(trace.contextTokens ?? 0, 'token')} around the cursor and took ${count(trace.forwards, 'forward pass', 'forward passes')}, ${trace.tokensPerForward?.toFixed(1)} tokens per pass.`,
        ];
  const times = Object.entries(milliseconds).map(
    ([phase, value]) => `  ${phase.padEnd(8)} ${value.toFixed(0).padStart(6)} ms`,
  );
  return [
    trace.reason,
    '',
    `${file}, line ${line + 1}, column ${character + 1}, ${languageId}; ${trace.time}`,
    '',
    'Decision path',
    ...trace.path.map((step, index) => `  ${index + 1}. ${step}`),
    ...model,
    '',
    'Time',
    ...times,
    ...(alternatives.length === 0 ? [] : ['', 'Candidates']),
    ...alternatives.flatMap((alternative, index) => [
      `  ${index + 1}. ${describeCandidate(alternative)}`,
      ...alternative.text.split('\n').map((row) => `     ${row}`),
    ]),
    '',
  ].join('\n');
}

/** A trace with file names relative to the workspace. */
export const withRelativeNames = (trace: CompletionTrace): CompletionTrace => ({
  ...trace,
  alternatives: trace.alternatives.map((alternative) =>
    alternative.copiedFrom
      ? {
          ...alternative,
          copiedFrom: {
            ...alternative.copiedFrom,
            name: vscode.workspace.asRelativePath(alternative.copiedFrom.name),
          },
        }
      : alternative,
  ),
});
