import { longestParsed, parseSource } from '../syntax/trees.ts';
import { proposeCallSites } from './call-sites.ts';
import type { EditLog } from './edit-log.ts';
import { chanceOf, type GateCounts } from './gate.ts';
import { type LinesWith, proposeImports } from './missing-import.ts';
import { nameChangeOf, proposeRenames } from './rename.ts';
import { proposeRepeats } from './repeat.ts';
import type { Candidate, Situation } from './situation.ts';
import type { Span } from './text-edit.ts';

/** A document that was edited. */
export interface EditedDocument {
  /** Path with forward slashes, or a URI. */
  readonly name: string;
  readonly languageId: string;
  readonly text: string;
  readonly log: EditLog;
}

/** What is known apart from the document. */
export interface EditContext {
  /** The places of the name at the cursor in an earlier version of the document, by a language server; null: not asked for. */
  readonly references?: { readonly version: number; readonly spans: readonly Span[] } | null;
  /** The workspace's lines with a word; default: none. */
  readonly linesWith?: LinesWith;
  readonly counts?: GateCounts;
}

/** A proposed edit with the estimated chance that it is right. */
export interface ProposedEdit extends Candidate {
  readonly chance: number;
}

/** Milliseconds after which nothing follows from an edit any more. */
const longestAge = 300_000;

/**
 * The edits that could follow from the newest edit of a document, the most likely first; of equally likely ones, the one that comes first
 * after the newest edit. All refer to the current text.
 */
export async function proposeEdits(
  document: EditedDocument,
  context: EditContext = {},
  now = 0,
): Promise<ProposedEdit[]> {
  const { languageId, text, log, name } = document;
  const edit = log.edits.at(-1);
  if (!edit || now - edit.time > longestAge) return [];
  const tree = text.length > longestParsed ? null : await parseSource(languageId, text);
  try {
    const situation: Situation = {
      languageId,
      text,
      root: tree?.rootNode ?? null,
      edit,
      edits: log.edits,
      references: referencesIn(document, context),
    };
    const candidates = [
      ...proposeRenames(situation),
      ...proposeRepeats(situation),
      ...(await proposeCallSites(situation)),
      ...(context.linesWith ? proposeImports(situation, name, context.linesWith) : []),
    ];
    return candidates
      .map((candidate) => ({ ...candidate, chance: chanceOf(candidate, context.counts) }))
      .sort((a, b) => b.chance - a.chance);
  } finally {
    tree?.delete();
  }
}

/** References in the current text, of the name that the newest edit changed; null if they are not known for this version. */
function referencesIn({ text, log }: EditedDocument, { references }: EditContext): Situation['references'] {
  const change = nameChangeOf(text, log.edits.at(-1)!);
  if (!references || !change) return null;
  const spans = log.follow(references.spans, references.version);
  if (!spans) return null;
  const named = spans.filter(({ start, end }) => text.slice(start, end) === change.from);
  return named.length > 0 ? { name: change.from, spans: named } : null;
}
