/**
 * A question that waits for its answer, or for Escape: the walkthrough takes the focus when one of its steps is done,
 * which would close a question that this very step asks.
 */
export const staysOpen = { ignoreFocusOut: true } as const;
