/**
 * Keeps a quick pick or input box open when it loses the focus. The walkthrough takes the focus when one of its steps is
 * done, which would otherwise close a question that the same step asks.
 */
export const keepOpen = { ignoreFocusOut: true } as const;
