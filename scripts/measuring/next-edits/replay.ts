import { EditLog } from '../../../src/edits/edit-log.ts';
import type { Chances } from '../../../src/edits/gate.ts';
import { type EditContext, type ProposedEdit, proposeEdits } from '../../../src/edits/next-edits.ts';
import { nameChangeOf } from '../../../src/edits/rename.ts';
import { fromPlace } from '../../../src/edits/situation.ts';
import { occurrencesOf } from '../../../src/edits/tokens.ts';
import { applyEdit, minimalEdit, type Span, type TextEdit } from '../../../src/protocol/text-edit.ts';
import type { FileHistory } from './histories.ts';
import type { LanguageServer } from './language-server.ts';

/** Whether a proposal is right: it makes the next edit, or one that comes later in the file. */
export interface Verdict {
  readonly isNext: boolean;
  readonly isAny: boolean;
}
export type Judged = Verdict & Chances;

/** What each method proposes before one edit. */
export interface Step {
  readonly history: FileHistory;
  readonly repeat: Judged | null;
  /** The language server's rename; null also in files that are not TypeScript. */
  readonly rename: Judged | null;
  /** All that follows from the edits, the most likely first, without references and with them. */
  readonly textual: readonly (Judged & ProposedEdit)[];
  readonly exact: readonly (Judged & ProposedEdit)[];
  /** Milliseconds that a proposal without references took. */
  readonly milliseconds: number;
}

/** Milliseconds between two edits of a replayed history. */
const pause = 5_000;

/**
 * Replays the edits of a file one after the other, and asks each method for the next one after each edit.
 *
 * @param first index of the edit to begin with; the edits before it come last
 */
export async function replay(
  history: FileHistory,
  first: number,
  server: LanguageServer,
  context: EditContext,
): Promise<Step[]> {
  const { languageId, file } = history;
  const isTypeScript = languageId.startsWith('typescript');
  const log = new EditLog(0);
  const steps: Step[] = [];
  let { text } = history;
  let remaining = [...history.edits.slice(first), ...history.edits.slice(0, first)];
  let known: RenameState | null = null;
  for (let version = 1; remaining.length > 0; version++) {
    const now = version * pause;
    if (log.edits.length > 0) {
      if (isTypeScript) known = renameOf(text, log, server) ?? known;
      const judge = (proposed: TextEdit): Verdict => verdictOf(text, proposed, remaining);
      const judged = (proposed: TextEdit | null): Judged | null =>
        proposed && { next: 1, chance: 1, ...judge(proposed) };
      const document = { name: `/${file}`, languageId, text, log };
      const begin = performance.now();
      const textual = await proposeEdits(document, context, now);
      const milliseconds = performance.now() - begin;
      const references = known && { version: known.version, spans: known.spans };
      const exact = references ? await proposeEdits(document, { ...context, references }, now) : textual;
      steps.push({
        history,
        repeat: judged(repeated(text, log)),
        rename: judged(known && renamed(text, log, known)),
        textual: textual.map((one) => ({ ...one, ...judge(one) })),
        exact: exact.map((one) => ({ ...one, ...judge(one) })),
        milliseconds,
      });
    }
    const change = remaining[0]!;
    log.record(text, [change], version, now);
    text = applyEdit(text, change);
    const by = change.text.length - (change.end - change.start);
    remaining = remaining
      .slice(1)
      .map((edit) => (edit.start < change.start ? edit : { ...edit, start: edit.start + by, end: edit.end + by }));
  }
  return steps;
}

/** A rename that a language server could do, as of a version of the document. */
interface RenameState {
  readonly version: number;
  readonly spans: readonly Span[];
  readonly from: string;
  readonly to: string;
}

/** The rename of the name that the newest edit changed, as it was before that edit; null if it has no other places. */
function renameOf(text: string, log: EditLog, server: LanguageServer): RenameState | null {
  const edit = log.edits.at(-1)!;
  const change = nameChangeOf(text, edit);
  if (!change) return null;
  const before = applyEdit(text, { start: edit.start, end: edit.start + edit.after.length, text: edit.before });
  const own = change.span.start;
  const spans = server.renameLocations(before, own).filter(({ start }) => start !== own);
  const { from, to } = change;
  return spans.length === 0 ? null : { version: log.version - 1, spans, from, to };
}

function renamed(text: string, log: EditLog, { version, spans, from, to }: RenameState): TextEdit | null {
  const last = log.edits.at(-1)!;
  const left = (log.follow(spans, version) ?? []).filter(({ start, end }) => text.slice(start, end) === from);
  const [next] = fromPlace(left, last.start + last.after.length);
  return next ? { ...next, text: to } : null;
}

/** The baseline: the last replacement again, at the next place of the replaced text. */
function repeated(text: string, log: EditLog): TextEdit | null {
  const { start, before, after } = log.edits.at(-1)!;
  if (before.trim() === '') return null;
  const [next] = fromPlace(occurrencesOf(before, text), start + after.length);
  return next ? { ...next, text: after } : null;
}

/** Edits at a proposal's place that are combined. */
const mostCombined = 5;

/** A proposal is right if it does exactly what some of the remaining edits do together. */
export function verdictOf(text: string, proposed: TextEdit, remaining: readonly TextEdit[]): Verdict {
  const edit = minimalEdit(text, proposed);
  const near = remaining
    .filter(({ start, end }) => start <= proposed.end && end >= proposed.start)
    .slice(0, mostCombined);
  const result = applyEdit(text, edit);
  for (let choice = 1; choice < 2 ** near.length; choice++) {
    const chosen = near.filter((_, index) => choice & (1 << index));
    // From the right, so that the places on the left stay valid.
    const made = chosen.reduceRight((current, one) => applyEdit(current, one), text);
    if (made === result) return { isNext: chosen.includes(remaining[0]!), isAny: true };
  }
  return { isNext: false, isAny: false };
}
