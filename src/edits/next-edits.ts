import { minimalEdit, type Span } from '../protocol/text-edit.ts';
import { longestParsed, parseSource } from '../syntax/trees.ts';
import { proposeCallSites } from './call-sites.ts';
import type { EditLog, RecentEdit } from './edit-log.ts';
import { type Chances, chancesOf, type GateWeights } from './gate.ts';
import { type LinesWith, proposeImports } from './missing-import.ts';
import { nameChangeOf, proposeRenames } from './rename.ts';
import { proposeRepeats } from './repeat.ts';
import type { Candidate, Situation } from './situation.ts';

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
  readonly weights?: GateWeights;
}

/** A proposed edit with the estimated chances that it is right. */
export type ProposedEdit = Candidate & Chances;

/** Milliseconds after which nothing follows from an edit any more. */
const longestAge = 300_000;

/** Recent edits that proposals follow from. */
const mostOrigins = 8;

/**
 * The edits that could follow from the recent edits of a document, the most likely next one first. All refer to the current text, and no
 * two change the same place in the same way.
 */
export async function proposeEdits(
  document: EditedDocument,
  context: EditContext = {},
  now = 0,
): Promise<ProposedEdit[]> {
  const { languageId, text, log, name } = document;
  const { edits } = log;
  const origins = originsIn(text, edits).filter(({ time }) => now - time <= longestAge);
  if (origins.length === 0) return [];
  const tree = text.length > longestParsed ? null : await parseSource(languageId, text);
  try {
    const root = tree?.rootNode ?? null;
    const found = new Map<string, ProposedEdit>();
    for (const edit of origins) {
      const references = referencesIn(document, edit, context);
      const age = edits.length - 1 - edits.indexOf(edit);
      const situation: Situation = { languageId, text, root, edit, age, edits, references };
      for (const candidate of [
        ...proposeRenames(situation),
        ...proposeRepeats(situation),
        ...(await proposeCallSites(situation)),
        ...(context.linesWith ? proposeImports(situation, name, context.linesWith) : []),
      ]) {
        const chances = chancesOf(candidate, context.weights);
        const { start, end, text: inserted } = minimalEdit(text, candidate);
        const key = `${start} ${end} ${inserted}`;
        const known = found.get(key);
        if (!known || known.chance < chances.chance) found.set(key, { ...candidate, ...chances });
      }
    }
    return [...found.values()].sort((a, b) => b.next - a.next);
  } finally {
    tree?.delete();
  }
}

/** The newest edits, of those that did the same only the newest one. */
function originsIn(text: string, edits: readonly RecentEdit[]): RecentEdit[] {
  const seen = new Set<string>();
  const origins: RecentEdit[] = [];
  for (const edit of edits.toReversed()) {
    const change = nameChangeOf(text, edit);
    const key = change ? `${change.from} ${change.to}` : `${edit.before}\n${edit.after}`;
    if (!seen.has(key)) origins.push(edit);
    seen.add(key);
  }
  return origins.slice(0, mostOrigins);
}

/** References in the current text, of the name that an edit changed; null if they are not known for this version. */
function referencesIn(
  { text, log }: EditedDocument,
  edit: RecentEdit,
  { references }: EditContext,
): Situation['references'] {
  const change = nameChangeOf(text, edit);
  if (!references || !change) return null;
  const spans = log.follow(references.spans, references.version);
  const named = spans?.filter(({ start, end }) => text.slice(start, end) === change.from) ?? [];
  return named.length > 0 ? { name: change.from, spans: named } : null;
}
