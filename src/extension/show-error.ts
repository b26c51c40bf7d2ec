import * as vscode from 'vscode';
import { Interrupted, messageOf, UserError } from '../platform/errors.ts';
import { printableLine } from '../protocol/printable.ts';

/** Shows the error of a command, except a cancellation, which the user has chosen. */
export function showError(error: unknown, log: vscode.LogOutputChannel): void {
  if (error instanceof Interrupted) {
    log.info(error.message);
    return;
  }
  log.error(error instanceof UserError ? error.message : (error as Error));
  const openLog = 'Show Log';
  // Not awaited: the command is done, even if the message stays open.
  void vscode.window.showErrorMessage(`Unmask: ${printableLine(messageOf(error))}`, openLog).then((answer) => {
    if (answer === openLog) log.show();
  });
}

/** Wraps the work of a command so that its errors are shown; it returns undefined if the work failed. */
export function withErrorsShown<Arguments extends readonly unknown[], Result>(
  log: vscode.LogOutputChannel,
  work: (...args: Arguments) => Promise<Result>,
): (...args: Arguments) => Promise<Result | undefined> {
  return async (...args) => {
    try {
      return await work(...args);
    } catch (error) {
      showError(error, log);
      return undefined;
    }
  };
}
