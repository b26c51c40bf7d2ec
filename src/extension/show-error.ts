import * as vscode from 'vscode';
import { Interrupted, messageOf, UserError } from '../platform/errors.ts';

/** Says what went wrong in a command. A cancellation is the user's own doing and needs no words. */
export function showError(error: unknown, log: vscode.LogOutputChannel): void {
  if (error instanceof Interrupted) {
    log.info(error.message);
    return;
  }
  log.error(error instanceof UserError ? error.message : (error as Error));
  const openLog = 'Show Log';
  // Not awaited: the command is over, however long the message stays.
  void vscode.window.showErrorMessage(`Unmask: ${messageOf(error)}`, openLog).then((answer) => {
    if (answer === openLog) log.show();
  });
}

/** A command's work with its errors shown; what it returns is undefined where it failed. */
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
