import * as vscode from 'vscode';
import type { InlineCompletionItem } from 'vscode-languageclient/node';
import { type Runtime, servedDocuments } from './runtime.ts';

/** The request of LSP 3.18 that the language client sends too. */
const inlineCompletion = 'textDocument/inlineCompletion';

/**
 * Answers a keystroke while the runtime starts or restarts: the request waits until the runtime is there. While the runtime runs, the
 * language client answers.
 */
export function registerAnswerAfterRestart(context: vscode.ExtensionContext, runtime: Runtime): void {
  context.subscriptions.push(
    vscode.languages.registerInlineCompletionItemProvider([...servedDocuments], {
      async provideInlineCompletionItems(document, position, inline, token) {
        const { kind } = runtime.state;
        if (kind === 'running' || kind === 'failed') return undefined;
        // A user who only types does not expect an error message; the status bar has the reason.
        const client = await runtime.startedClient().catch(() => null);
        if (client === null || token.isCancellationRequested) return undefined;
        const { code2ProtocolConverter: there, protocol2CodeConverter: back } = client;
        const parameters = there.asInlineCompletionParams(document, position, inline);
        const result = await client.sendRequest<InlineCompletionItem[] | null>(inlineCompletion, parameters, token);
        return back.asInlineCompletionResult(result, token);
      },
    }),
  );
}
