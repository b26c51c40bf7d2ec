/**
 * An error whose message is meant for a user: one sentence that says what happened, where, and what to do.
 * Everything else that is thrown is a defect of ours and keeps its stack.
 */
export class UserError extends Error {
  override readonly name: string = 'UserError';
}

/** A user error in how a command was called (exit code 2), as opposed to one met while doing it (exit code 1). */
export class UsageError extends UserError {
  override readonly name = 'UsageError';
}

/** The work was stopped by its user (SIGINT, cancel, `control.json`): what was done is saved, exit code 130. */
export class Interrupted extends UserError {
  override readonly name = 'Interrupted';
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
