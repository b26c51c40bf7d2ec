import type * as vscode from 'vscode';

/** Converts a VS Code cancellation token to an `AbortSignal`, which Node and our own functions accept. */
export function signalOf(token: vscode.CancellationToken): AbortSignal {
  const controller = new AbortController();
  if (token.isCancellationRequested) controller.abort();
  token.onCancellationRequested(() => controller.abort());
  return controller.signal;
}
