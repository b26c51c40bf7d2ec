/**
 * An error whose message is shown to the user: one sentence that says what happened, where, and what to do. Any other
 * error is a defect and keeps its stack.
 */
export class UserError extends Error {
  override readonly name: string = 'UserError';

  /** Line breaks, as in file names and in messages of other programs, are shown as escapes: a message has one line. */
  constructor(message: string) {
    super(message.trimEnd().replaceAll('\r', '\\r').replaceAll('\n', '\\n'));
  }
}

/** A user error in the way a command was called (exit code 2), as opposed to one while it runs (exit code 1). */
export class UsageError extends UserError {
  override readonly name = 'UsageError';
}

/** The user stopped the work (SIGINT, cancel, `control.json`). Everything done so far is saved; exit code 130. */
export class Interrupted extends UserError {
  override readonly name = 'Interrupted';
}

/** Whether an error says that the work was stopped, by us or by what Node throws when an `AbortSignal` ends it. */
export const isInterruption = (error: unknown): boolean =>
  error instanceof Interrupted || (error instanceof Error && error.name === 'AbortError');

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
