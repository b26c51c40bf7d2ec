import type { CopyIndex } from './copy-index.ts';
import { boundary, flatFollowing, flatPrefix, newline } from './flat-text.ts';
import { matchesInDocument } from './own-document.ts';
import { fileAt, lineAt, lineEnd, longestMatch, type Match } from './segment.ts';
import { commonAfter } from './sort-contexts.ts';

/** The place to complete. */
export interface CopyQuery {
  /** The document's name in the index: a path, or a URI. Its text in the index is ignored in favour of the one here. */
  readonly name: string;
  readonly prefix: string;
  readonly suffix: string;
  /** Whether candidates end with the line. */
  readonly singleLine: boolean;
  /** Whether a file is near: imported by the document, in the same folder, open, or recently edited. */
  readonly isNear: (name: string) => boolean;
}

/** A text that follows the same context elsewhere in the workspace. */
export interface CopyCandidate {
  readonly text: string;
  /** The place with the longest match: a name in the index, and a line from 1. */
  readonly source: { readonly name: string; readonly line: number };
  /** Bytes before the cursor that match, at most `longestMatch`. */
  readonly matched: number;
  /** Bytes after the gap's line that match those after the candidate, at the best place. */
  readonly following: number;
  /** Places with this text, and the number of files that they are in. */
  readonly count: number;
  readonly files: number;
  /** Share of the evidence for this text: its matches, weighted by the square of their length, in all matches. */
  readonly share: number;
  /** Share of its places in those whose match is at least three quarters of the longest one. */
  readonly topShare: number;
  /** The longest match of any other text. */
  readonly rival: number;
  readonly inDocument: boolean;
  readonly isNear: boolean;
  /** Lines between the cursor and the nearest place in the document; null: none is there. */
  readonly distance: number | null;
}

/** What is known about one text while matches are counted. */
interface Group {
  readonly text: string;
  readonly matches: { readonly match: Match; readonly following: number; readonly name: string }[];
  evidence: number;
  top: number;
  best: number;
  isNear: boolean;
  distance: number | null;
}

/** Candidates of a query. */
const mostCandidates = 8;
const decoder = new TextDecoder();

/** The texts that follow the longest matches of the text before the cursor, the most supported first. */
export function findCopies(index: CopyIndex, query: CopyQuery): CopyCandidate[] {
  const flat = flatPrefix(query.prefix, 4 * longestMatch);
  const following = flatFollowing(query.suffix, 2 * longestMatch);
  const matches = [...matchesInDocument(query.name, query, flat), ...index.find(query.name, flat)];
  if (matches.length === 0) return [];
  const longest = Math.max(...matches.map(({ length }) => length));
  const line = query.prefix.split('\n').length - 1;
  const groups = new Map<string, Group>();
  let [evidence, top] = [0, 0];
  for (const match of matches) {
    const { segment, position, length } = match;
    const { bytes } = segment;
    const found = continuation(bytes, position, query);
    if (found === null) continue;
    const weight = length ** 2;
    const isTop = length >= 0.75 * longest;
    evidence += weight;
    top += Number(isTop);
    let group = groups.get(found.text);
    if (!group) {
      group = { text: found.text, matches: [], evidence: 0, top: 0, best: 0, isNear: false, distance: null };
      groups.set(found.text, group);
    }
    const file = fileAt(segment, position);
    const after = commonAfter(bytes, found.end, following, longestMatch);
    group.matches.push({ match, following: after, name: file.name });
    group.evidence += weight;
    group.top += Number(isTop);
    group.best = Math.max(group.best, length);
    if (file.name === query.name) {
      const away = Math.abs(lineAt(segment, position) - file.firstLine - line);
      group.distance = Math.min(group.distance ?? away, away);
    } else if (query.isNear(file.name)) group.isNear = true;
  }
  const all = [...groups.values()];
  return all
    .filter(({ text }) => text.trim() !== '')
    .sort((a, b) => b.evidence - a.evidence)
    .slice(0, mostCandidates)
    .map((group) => candidateOf(group, { all, evidence, top, query }));
}

interface Totals {
  readonly all: readonly Group[];
  readonly evidence: number;
  readonly top: number;
  readonly query: CopyQuery;
}

function candidateOf(group: Group, { all, evidence, top, query }: Totals): CopyCandidate {
  const { matches, distance, isNear } = group;
  // The best place has the longest context on both sides.
  const score = ({ match, following }: Group['matches'][number]) => match.length + 2 * following;
  const best = matches.reduce((one, other) => (score(other) > score(one) ? other : one));
  const { segment, position } = best.match;
  return {
    text: query.singleLine ? group.text : severalLines(best.match, group.text, query),
    source: { name: best.name, line: lineAt(segment, position) - fileAt(segment, position).firstLine + 1 },
    matched: group.best,
    following: Math.max(...matches.map(({ following }) => following)),
    count: matches.length,
    files: new Set(matches.map(({ name }) => name)).size,
    share: group.evidence / evidence,
    topShare: top === 0 ? 0 : group.top / top,
    rival: Math.max(0, ...all.map((other) => (other === group ? 0 : other.best))),
    inDocument: distance !== null,
    isNear,
    distance,
  };
}

/**
 * The rest of the line at a match without what follows the cursor on its line, and the offset of the next line. Null if the rest of the
 * line does not lead to the text after the cursor. If the line ends at the match and several lines are allowed, the next line counts.
 */
function continuation(bytes: Uint8Array, position: number, query: CopyQuery) {
  const end = lineEnd(bytes, position);
  const next = bytes[end] === newline ? end + 1 : end;
  const rest = decoder.decode(bytes.subarray(position, end));
  const after = lineAfter(query.suffix);
  if (after === '') {
    if (rest !== '' || query.singleLine || bytes[next] === boundary) return { text: rest, end: next };
    const second = lineEnd(bytes, next);
    return { text: `\n${decoder.decode(bytes.subarray(next, second))}`, end: second + 1 };
  }
  const cut = rest.lastIndexOf(after);
  // Editors insert closing brackets, and punctuation may follow them in the source only.
  if (cut === -1 || !/^[)\]}>;,'"`\s]*$/.test(rest.slice(cut + after.length))) return null;
  return { text: rest.slice(0, cut), end: next };
}

/** The cursor's line after the cursor, without white space at its ends. */
const lineAfter = (suffix: string): string => (suffix.split('\n', 1)[0] as string).trim();

/** Lines of a candidate. */
const mostLines = 12;

/**
 * The text with the lines below it at its source, until their block ends or the text after the cursor begins. Lines are indented
 * relative to the cursor's line.
 */
function severalLines({ segment, position }: Match, text: string, { prefix, suffix }: CopyQuery): string {
  if (lineAfter(suffix) !== '') return text;
  const { bytes, lineStarts, indents } = segment;
  const file = fileAt(segment, position);
  const first = lineAt(segment, position);
  const depth = indents[first] as number;
  const indentation = /^[ \t]*/.exec(prefix.slice(prefix.lastIndexOf('\n') + 1))![0];
  const stop = suffix
    .split('\n')
    .slice(1)
    .map((line) => line.trim())
    .find((line) => line !== '');
  const lines = [text.startsWith('\n') ? '' : text];
  for (let line = first + 1; line < lineStarts.length && lines.length < mostLines; line++) {
    const start = lineStarts[line] as number;
    if (start >= file.end) break;
    const end = line + 1 < lineStarts.length ? (lineStarts[line + 1] as number) : file.end;
    const content = decoder.decode(bytes.subarray(start, Math.max(start, end - 1)));
    if (content === '') {
      lines.push('');
      continue;
    }
    const deeper = (indents[line] as number) - depth;
    if (deeper < 0 || content === stop || (deeper === 0 && !/^[)\]}]/.test(content))) break;
    const unit = indentation.includes('\t') || (indentation === '' && deeper === 1) ? '\t' : ' ';
    lines.push(indentation + unit.repeat(deeper) + content);
    if (deeper === 0) break;
  }
  return lines.join('\n').trimEnd();
}
