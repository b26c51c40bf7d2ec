/**
 * Messages about next edits: the edit that a user may make next, somewhere in the document. They are sent as requests in addition to those of
 * LSP, like the messages in `runtime.ts`. Lines and characters are those of LSP: from 0, characters in UTF-16 code units.
 */

/** The setting `unmask.nextEdits`: whether they are proposed, and whether also without a request of the user. */
export const nextEditModes = ['off', 'onRequest', 'automatic'] as const;
export type NextEditMode = (typeof nextEditModes)[number];

/** Why an edit is proposed. `text-rename`: a rename at places with the same text, because no references are known. */
export const nextEditSources = ['rename', 'text-rename', 'repeat', 'call-site', 'import'] as const;
export type NextEditSource = (typeof nextEditSources)[number];

/**
 * Client to server, a request: the edit that the user may make next. The answer is null if there is none, and if the document has another
 * version by now.
 */
export const nextEdit = 'unmask/nextEdit';
export interface NextEditParameters {
  readonly textDocument: { readonly uri: string; readonly version: number };
  /** `automatic`: the user did not ask, so only a likely edit is proposed, and only if the setting is `automatic`. */
  readonly trigger: 'automatic' | 'invoked';
  /**
   * All places of the identifier at the cursor in an earlier version of the document, by the language's own server. If they are sent, a
   * rename changes exactly these.
   */
  readonly references?: DocumentReferences;
}
export interface DocumentReferences {
  readonly version: number;
  readonly ranges: readonly TextRange[];
}
export interface TextRange {
  readonly start: TextPosition;
  readonly end: TextPosition;
}
export interface TextPosition {
  readonly line: number;
  readonly character: number;
}

export interface NextEdit {
  readonly id: number;
  /** The version of the document that `range` refers to. */
  readonly version: number;
  readonly range: TextRange;
  /** Has the line breaks of the document. */
  readonly newText: string;
  readonly source: NextEditSource;
  /** What it does, for the user. */
  readonly label: string;
  /** Estimated probability that the user makes this edit. */
  readonly chance: number;
}

/** Client to server, a request without parameters: how the last request for a next edit was decided; null if there was none. */
export const lastNextEdit = 'unmask/lastNextEdit';
export type NextEditOutcome =
  | 'off'
  | 'snoozed'
  | 'language-off'
  | 'left-out'
  | 'stale'
  | 'no-edit'
  | 'none'
  | 'unlikely'
  | 'proposed';
export interface NextEditTrace {
  readonly id: number;
  /** ISO 8601, UTC. */
  readonly time: string;
  readonly uri: string;
  readonly trigger: NextEditParameters['trigger'];
  readonly outcome: NextEditOutcome;
  /** The outcome in one sentence. */
  readonly reason: string;
  /** The likeliest proposals. The first one is the answer if `outcome` is `proposed`. */
  readonly proposals: readonly TracedNextEdit[];
  readonly milliseconds: number;
}
export interface TracedNextEdit extends Pick<NextEdit, 'source' | 'label' | 'chance'> {
  /** From 0. */
  readonly line: number;
  /** What the chance depends on. */
  readonly features: readonly string[];
}
