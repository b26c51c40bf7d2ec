import * as vscode from 'vscode';
import { count } from '../platform/amounts.ts';
import { messageOf } from '../platform/errors.ts';
import { describeCandidate } from '../protocol/describe-candidate.ts';
import { lastNextEdit, type NextEditSource, type NextEditTrace } from '../protocol/next-edits.ts';
import { type CompletionTrace, lastCompletion } from '../protocol/runtime.ts';
import { commands } from './contributions.ts';
import type { Runtime } from './runtime.ts';
import type { TextPages } from './text-page.ts';

/** `Unmask: Explain Last Completion`: shows why the last suggestion and the last next edit appeared or did not appear. */
export function registerExplainCompletion(context: vscode.ExtensionContext, runtime: Runtime, pages: TextPages): void {
  context.subscriptions.push(
    vscode.commands.registerCommand(commands.explainLastCompletion, async () => {
      try {
        const trace = await runtime.request<CompletionTrace | null>(lastCompletion);
        const nextEdit = await runtime.request<NextEditTrace | null>(lastNextEdit);
        const completion = explanation(trace && withRelativeNames(trace));
        const sections = nextEdit ? [completion, nextEditExplanation(nextEdit)] : [completion];
        // What was decided last comes first.
        if (nextEdit && (trace?.time ?? '') < nextEdit.time) sections.reverse();
        await pages.show('Last Completion', sections.join('\n'));
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
          `${trace.model ?? 'The model'} read ${count(trace.contextTokens ?? 0, 'token')} around the cursor and took ${count(trace.forwards, 'forward pass', 'forward passes')}, ${trace.tokensPerForward?.toFixed(1)} tokens per pass.`,
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

/** Text of the decision about a next edit. */
export function nextEditExplanation({ uri, time, trigger, reason, proposals, milliseconds }: NextEditTrace): string {
  const file = decodeURIComponent(uri.split('/').at(-1) ?? uri);
  const cause = trigger === 'invoked' ? 'you asked for it, or accepted the one before' : 'you edited the document';
  return [
    `Next edit: ${reason}`,
    '',
    `${file}; ${time}; ${cause}; ${milliseconds.toFixed(0)} ms`,
    ...(proposals.length === 0 ? [] : ['', 'Proposals']),
    ...proposals.flatMap(({ label, source, line, chance, features }, index) => [
      `  ${index + 1}. ${label} (line ${line + 1}, ${Math.round(100 * chance)} %)`,
      `     ${sourceNames[source]}; ${features.join('; ')}`,
    ]),
    '',
  ].join('\n');
}

const sourceNames: Readonly<Record<NextEditSource, string>> = {
  rename: 'rename, at a reference that the language found',
  'text-rename': 'rename, at a place with the same text',
  repeat: 'repeated edit',
  'call-site': 'call of a function whose parameters changed',
  import: 'missing import',
};

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
