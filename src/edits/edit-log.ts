import { applyEdit, minimalEdit, moveSpan, type Span, type TextEdit } from '../protocol/text-edit.ts';

/** An edit of a document: the changes that a user made at one place without a long pause. */
export interface RecentEdit {
  /** Offset in the current text, where `after` begins. */
  readonly start: number;
  readonly before: string;
  readonly after: string;
  /** Milliseconds; when its last change was made. */
  readonly time: number;
}

/** A change with the text that it removed, and the version after it. */
interface LoggedChange extends TextEdit {
  readonly removed: string;
  readonly version: number;
}

/** Milliseconds after which a change at the same place is another edit. */
const longestPause = 60_000;
/** Edits that are kept. */
const mostEdits = 20;
/** Changes by which ranges of an earlier version can be followed. */
const mostChanges = 500;
/** Characters of the longest edit that a next edit can follow from. */
const longestEdit = 1_000;

/**
 * The recent edits of one document. Changes that touch each other become one edit. Formatting and changes at several cursors are no edits;
 * an undone edit is forgotten, and redoing it is not a new edit.
 */
export class EditLog {
  #version: number;
  /**
   * Edits of several changes with all that these touched, also what is there again: "t" in "count", deleted and replaced by "tally" letter
   * by letter. Otherwise the next letter would not touch the edit.
   */
  #edits: RecentEdit[] = [];
  #undone: Omit<RecentEdit, 'time'>[] = [];
  #changes: LoggedChange[] = [];
  /** The oldest version that ranges can be followed from. */
  #oldest: number;

  constructor(version: number) {
    this.#version = version;
    this.#oldest = version;
  }

  get version(): number {
    return this.#version;
  }

  /** The oldest first. Their places do not overlap. */
  get edits(): readonly RecentEdit[] {
    return this.#edits.map(({ start, before, after, time }) => ({ ...reduced(start, before, after), time }));
  }

  /**
   * Notes the changes between two versions.
   *
   * @param text the document before them
   * @param changes in order; each refers to the text after those before it
   */
  record(text: string, changes: readonly TextEdit[], version: number, time: number): void {
    const made = changes.filter(({ start, end, text: inserted }) => start !== end || inserted !== '');
    const kind = this.#kindOf(text, made);
    let current = text;
    for (const change of made) {
      this.#changes.push({ ...change, removed: current.slice(change.start, change.end), version });
      if (kind === 'edit') this.#edit(current, change, time);
      else this.#move(change);
      current = applyEdit(current, change);
    }
    if (kind === 'other') this.clear();
    this.#version = version;
    while (this.#changes.length > mostChanges) this.#oldest = this.#changes.shift()!.version;
    this.#edits = this.#edits.slice(-mostEdits);
  }

  /** Forgets the edits. */
  clear(): void {
    this.#edits = [];
    this.#undone = [];
  }

  /** The whole text was replaced, for example because its file was read again. */
  replaced(version: number): void {
    this.clear();
    this.#changes = [];
    this.#version = version;
    this.#oldest = version;
  }

  /** Where spans of an earlier version are now, without those that were changed; null if that version is too old or not known. */
  follow(spans: readonly Span[], version: number): Span[] | null {
    if (version < this.#oldest || version > this.#version) return null;
    const since = this.#changes.filter((change) => change.version > version);
    return spans.flatMap((span) => {
      let moved: Span | null = span;
      for (const change of since) moved = moved && moveSpan(moved, change);
      return moved ? [moved] : [];
    });
  }

  /** The text of an earlier version; null if that version is too old or not known. `text` is the current one. */
  textAt(version: number, text: string): string | null {
    if (version < this.#oldest || version > this.#version) return null;
    return this.#changes
      .filter((change) => change.version > version)
      .reduceRight(
        (later, { start, text: inserted, removed }) =>
          applyEdit(later, { start, end: start + inserted.length, text: removed }),
        text,
      );
  }

  #kindOf(text: string, changes: readonly TextEdit[]): 'edit' | 'formatting' | 'other' {
    const [first] = changes;
    if (!first) return 'formatting';
    const last = this.#edits.at(-1);
    // White space counts as part of an edit only while the user writes on one line.
    const isTyped = changes.length === 1 && !first.text.includes('\n') && last !== undefined && touches(last, first);
    if (!isTyped && changesOnlySpace(text, changes)) return 'formatting';
    const isShort = changes.every(({ start, end, text: inserted }) => end - start + inserted.length <= longestEdit);
    return isShort && (changes.length === 1 || isSurrounding(text, changes)) ? 'edit' : 'other';
  }

  #edit(text: string, change: TextEdit, time: number): void {
    if (text.slice(change.start, change.end) === change.text) return;
    const last = this.#edits.at(-1);
    if (last && touches(last, change) && time - last.time <= longestPause) {
      this.#edits.pop();
      this.#move(change);
      this.#join(text, last, change, time);
      return;
    }
    this.#move(change);
    const edit = reduced(change.start, text.slice(change.start, change.end), change.text);
    const undone = this.#undone.pop();
    if (undone && undone.start === edit.start && undone.before === edit.before && undone.after === edit.after) return;
    this.#undone = [];
    this.#edits.push({ ...edit, time });
  }

  /** Joins a change of `text` with the edit that it touches. */
  #join(text: string, last: RecentEdit, change: TextEdit, time: number): void {
    const lastEnd = last.start + last.after.length;
    const [start, end] = [Math.min(last.start, change.start), Math.max(lastEnd, change.end)];
    const before = text.slice(start, last.start) + last.before + text.slice(lastEnd, end);
    const grown = change.text.length - (change.end - change.start);
    const after = applyEdit(text, change).slice(start, end + grown);
    if (before === after) this.#undone.push(reduced(last.start, last.before, last.after));
    else this.#edits.push({ start, before, after, time });
  }

  /** Moves the edits that a change does not touch, and forgets the others. */
  #move(change: TextEdit): void {
    this.#edits = this.#edits.flatMap((edit) => {
      const span = moveSpan({ start: edit.start, end: edit.start + edit.after.length }, change);
      return span ? [{ ...edit, start: span.start }] : [];
    });
  }
}

/** An edit without what its texts have in common at their ends. */
function reduced(start: number, before: string, after: string): Omit<RecentEdit, 'time'> {
  const edit = minimalEdit(before, { start: 0, end: before.length, text: after });
  return { start: start + edit.start, before: before.slice(edit.start, edit.end), after: edit.text };
}

const touches = ({ start, after }: RecentEdit, change: TextEdit): boolean =>
  change.start <= start + after.length && change.end >= start;

/** Whether two changes put something around a text on one line, as editors do when a bracket is typed over a selection. */
function isSurrounding(text: string, [first, second, ...others]: readonly TextEdit[]): boolean {
  if (!first || !second || others.length > 0) return false;
  if (first.start !== first.end || second.start !== second.end) return false;
  const [from, to] = [Math.min(first.start, second.start), Math.max(first.start, second.start)];
  return from !== to && !text.slice(from, to).includes('\n') && !(first.text + second.text).includes('\n');
}

function changesOnlySpace(text: string, changes: readonly TextEdit[]): boolean {
  let current = text;
  for (const change of changes) {
    if (withoutSpace(current.slice(change.start, change.end)) !== withoutSpace(change.text)) return false;
    current = applyEdit(current, change);
  }
  return true;
}

const withoutSpace = (text: string): string => text.replace(/\s+/g, '');
