/** The JSON document that a command printed; undefined if the output is not JSON. */
export function parseDocument(output: string): unknown {
  try {
    return JSON.parse(output);
  } catch {
    return undefined;
  }
}

/** The message of a command that failed; null if the document reports no error. */
export function errorIn(document: unknown): string | null {
  const error = (document as { error?: { message?: unknown } } | null | undefined)?.error;
  return typeof error?.message === 'string' ? error.message : null;
}
