import { TextDocument } from 'vscode-languageserver-textdocument';
import { isCopyable } from '../copies/workspace-texts.ts';
import { EditLog } from '../edits/edit-log.ts';
import { automaticChance } from '../edits/gate.ts';
import type { LinesWith } from '../edits/missing-import.ts';
import { type ProposedEdit, proposeEdits } from '../edits/next-edits.ts';
import type {
  DocumentReferences,
  NextEdit,
  NextEditMode,
  NextEditOutcome,
  NextEditParameters,
  NextEditTrace,
} from '../protocol/next-edits.ts';
import type { Span, TextEdit } from '../protocol/text-edit.ts';
import { hasSecretName } from '../workspace/files.ts';
import { isInside } from './cursor-query.ts';
import type { DocumentVersion } from './replaced-text.ts';

/** What next edits depend on, apart from the documents. */
export interface NextEditParts {
  readonly mode: () => NextEditMode;
  readonly isSnoozed: () => boolean;
  readonly isLanguageOn: (languageId: string) => boolean;
  readonly document: (uri: string) => TextDocument | undefined;
  /** A document's name in the index of copies. */
  readonly nameOf: (uri: string) => string;
  /** Whether the workspace's own rules leave a document out. */
  readonly leavesOut: (name: string) => boolean;
  readonly linesWith: (name: string) => LinesWith;
  readonly now: () => number;
}

/** Proposals that a trace lists. */
const mostTraced = 5;

/** Follows the edits of all open documents, and answers requests for the next one. */
export class NextEdits {
  readonly #parts: NextEditParts;
  readonly #logs = new Map<string, EditLog>();
  #requests = 0;
  #last: NextEditTrace | null = null;

  constructor(parts: NextEditParts) {
    this.#parts = parts;
  }

  /** How the last request was decided. */
  get last(): NextEditTrace | null {
    return this.#last;
  }

  /**
   * A document was changed.
   *
   * @param before the document before the changes
   * @param edits the changes; null if its whole text was replaced
   */
  documentChanged(before: DocumentVersion, edits: readonly TextEdit[] | null, version: number): void {
    const log = this.#logOf(before);
    if (edits === null) log.replaced(version);
    else log.record(before.text, edits, version, this.#parts.now());
  }

  documentClosed(uri: string): void {
    this.#logs.delete(uri);
  }

  /** The edit that the user may make next; null if there is none to propose. */
  async answer(parameters: NextEditParameters): Promise<NextEdit | null> {
    const id = ++this.#requests;
    const begin = performance.now();
    const { textDocument, trigger } = parameters;
    const decide = (outcome: NextEditOutcome, reason: string, proposals: NextEditTrace['proposals'] = []): void => {
      const milliseconds = performance.now() - begin;
      const time = new Date(this.#parts.now()).toISOString();
      this.#last = { id, time, uri: textDocument.uri, trigger, outcome, reason, proposals, milliseconds };
    };
    const refused = this.#refusal(parameters);
    if (refused) {
      decide(...refused);
      return null;
    }
    const document = this.#parts.document(textDocument.uri)!;
    const proposals = await this.#propose(document, parameters);
    if (this.#parts.document(textDocument.uri)?.version !== textDocument.version) {
      decide('stale', 'The document was edited before the answer was ready.');
      return null;
    }
    const traced = proposals.slice(0, mostTraced).map(({ source, label, chance, start, features }) => {
      return { source, label, chance, features, line: document.positionAt(start).line };
    });
    const [first] = proposals;
    if (!first) {
      const isEdited = this.#logOf(document).edits.length > 0;
      if (isEdited) decide('none', 'No further edit follows from your last edits.');
      else decide('no-edit', 'This document has no recent edit that another one could follow from.');
      return null;
    }
    const percent = Math.round(100 * first.chance);
    if (trigger === 'automatic' && first.chance < automaticChance) {
      const least = Math.round(100 * automaticChance);
      decide(
        'unlikely',
        `The likeliest edit has a chance of ${percent} %; below ${least} %, it is shown on request only.`,
        traced,
      );
      return null;
    }
    decide('proposed', `${first.label} (${percent} %).`, traced);
    const range = { start: document.positionAt(first.start), end: document.positionAt(first.end) };
    const { text: newText, source, label, chance } = first;
    return { id, version: textDocument.version, range, newText, source, label, chance };
  }

  /** Why nothing is proposed, whatever the edits are; null if something may be. */
  #refusal({ textDocument: { uri, version }, trigger }: NextEditParameters): [NextEditOutcome, string] | null {
    const { mode, isSnoozed, isLanguageOn, document: find, nameOf, leavesOut } = this.#parts;
    const document = find(uri);
    if (!document || document.version !== version) return ['stale', 'The document has another version by now.'];
    if (mode() === 'off') return ['off', 'Next edits are off. Change `unmask.nextEdits` to turn them on.'];
    if (trigger === 'automatic') {
      if (mode() !== 'automatic')
        return ['off', 'Next edits are shown on request only. `unmask.nextEdits` changes this.'];
      if (isSnoozed()) return ['snoozed', 'Suggestions are snoozed.'];
      if (!isLanguageOn(document.languageId))
        return ['language-off', `Suggestions are off for ${document.languageId} (\`unmask.completions.languages\`).`];
    }
    const name = nameOf(uri);
    if (hasSecretName(name) || !isCopyable(document.getText()) || leavesOut(name))
      return ['left-out', 'This file is left out: git ignores it, or it seems to hold a secret or data.'];
    return null;
  }

  #propose(document: TextDocument, { references }: NextEditParameters): Promise<ProposedEdit[]> {
    const { nameOf, linesWith, now } = this.#parts;
    const { uri, languageId } = document;
    const name = nameOf(uri);
    const log = this.#logOf(document);
    const spans = references ? followed(document, log, references) : null;
    return proposeEdits(
      { name, languageId, text: document.getText(), log },
      { linesWith: linesWith(name), references: spans ? { version: document.version, spans } : null },
      now(),
    );
  }

  #logOf({ uri, version }: Pick<TextDocument, 'uri' | 'version'>): EditLog {
    let log = this.#logs.get(uri);
    if (!log) {
      log = new EditLog(version);
      this.#logs.set(uri, log);
    }
    return log;
  }
}

/** References in an earlier version of a document, where they are now; null if that version is not known any more. */
function followed(document: TextDocument, log: EditLog, { version, ranges }: DocumentReferences): Span[] | null {
  const text = log.textAt(version, document.getText());
  if (text === null) return null;
  const earlier = TextDocument.create(document.uri, document.languageId, version, text);
  const valid = ranges.filter(({ start, end }) => isInside(earlier, start) && isInside(earlier, end));
  const spans = valid.map(({ start, end }) => ({ start: earlier.offsetAt(start), end: earlier.offsetAt(end) }));
  return log.follow(spans, version);
}
