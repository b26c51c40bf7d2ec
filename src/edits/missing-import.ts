import type { Node } from '@vscode/tree-sitter-wasm';
import { lineBreakOf } from '../protocol/text-edit.ts';
import { partOf } from '../syntax/part-of.ts';
import { type Import, importFor, importOf, isDocument, isImportable, statementOf, takesNames } from './import-lines.ts';
import { type Candidate, classOf, type Situation } from './situation.ts';
import { isKeyword, nameAround, occurrencesOf, tokensOf } from './tokens.ts';

/** A line of a file of the workspace, without indentation. */
export interface WorkspaceLine {
  /** Path with forward slashes. */
  readonly file: string;
  readonly line: string;
}

/** The lines of other files that contain a word. */
export type LinesWith = (word: string) => readonly WorkspaceLine[];

/** Names that are looked up for an edit. */
const mostNames = 4;

/**
 * The import of a name that was just written, if the document neither declares nor imports it, and all files of the workspace that import
 * a thing of this name import it in the same way.
 *
 * @param document path with forward slashes, or a URI
 */
export function proposeImports(situation: Situation, document: string, linesWith: LinesWith): Candidate[] {
  const { languageId, text, root, edit } = situation;
  const language = /^(java|type)script(react)?$/.test(languageId)
    ? 'javascript'
    : languageId === 'python'
      ? 'python'
      : null;
  if (!language || !root) return [];
  const around = nameAround(text, { start: edit.start, end: edit.start + edit.after.length });
  const names = tokensOf(text, around.start, around.end)
    .filter((token) => token.kind === 'word' && isImportable(token.text) && !isKeyword(token.text))
    .filter((token) => isUse(root, token.start, token.end))
    // A name that the document has elsewhere is known there.
    .filter((token) =>
      occurrencesOf(token.text, text).every(({ start }) => start >= around.start && start < around.end),
    )
    .map((token) => token.text);
  if (situation.age > 2) return [];
  return [...new Set(names)].slice(0, mostNames).flatMap((name) => {
    const found = importsIn(linesWith(name), name, document, language);
    if (!found) return [];
    const place = placeOf(root, text, name, found.way, language);
    if (!place) return [];
    const { kind, module } = found.way;
    const features = [kind, `files ${classOf(found.files)}`, module.startsWith('.') ? 'relative' : 'package'];
    return [{ ...place, source: 'import', label: `Import ${name} from ${module}`, features } as const];
  });
}

/** The only way in which files import a name; null if there is none or there are several. */
function importsIn(
  lines: readonly WorkspaceLine[],
  name: string,
  document: string,
  language: 'javascript' | 'python',
): { readonly way: Import; readonly files: number } | null {
  const ways = new Map<string, { way: Import; files: Set<string> }>();
  for (const { file, line } of lines) {
    const own = importOf(name, line, language);
    if (!own) continue;
    const way = importFor(document, file, own);
    if (!way || isDocument(document, way)) return null;
    const key = `${way.kind} ${way.imported} ${way.module}`;
    const known = ways.get(key);
    if (!known) ways.set(key, { way, files: new Set([file]) });
    else {
      known.files.add(file);
      // What some files import as a value can be used as a type too.
      if (!way.isType) known.way = way;
    }
  }
  const [only, ...others] = ways.values();
  return only && others.length === 0 ? { way: only.way, files: only.files.size } : null;
}

/** Whether an identifier is used there, and neither declared nor the name of a member, a key or an argument. */
function isUse(root: Node, start: number, end: number): boolean {
  if (partOf(root, start, end) !== 'code') return false;
  const node = root.descendantForIndex(start, end);
  const holder = node?.parent;
  if (!node || !holder || node.startIndex !== start || node.endIndex !== end) return false;
  if (!/^(identifier|type_identifier|shorthand_property_identifier)$/.test(node.type)) return false;
  if (/parameter|import|export_specifier|labeled|for_in_clause/.test(holder.type)) return false;
  return !['property', 'attribute', 'key', 'name', 'left', 'pattern', 'parameter'].some(
    (field) => holder.childForFieldName(field)?.startIndex === start && !(field === 'name' && /jsx/.test(holder.type)),
  );
}

/** Where an import is written: among the names of an import of the same module, or below the last import. */
function placeOf(root: Node, text: string, name: string, way: Import, language: 'javascript' | 'python') {
  const children = root.namedChildren.flatMap((child) => (child ? [child] : []));
  const imports = children.filter(
    ({ type, text: own }) =>
      /^(import_statement|import_from_statement)$/.test(type) || /=\s*require\(/.test(own.split('\n', 1)[0]!),
  );
  const added = way.imported === name ? name : `${way.imported}${way.kind === 'required-named' ? ': ' : ' as '}${name}`;
  const same = takesNames(way) ? imports.find((node) => isSameModule(node, way)) : undefined;
  if (same) {
    const inside = language === 'python' ? /^from\s+\S+\s+import\s+[^(#\n]*\w/ : /^[^{]*\{[^}]*[^\s,}]/;
    const before = inside.exec(same.text)?.[0];
    if (before !== undefined && !/\n/.test(same.text)) {
      const start = same.startIndex + before.length;
      return { start, end: start, text: `, ${added}` };
    }
  }
  const last = imports.at(-1);
  const style = {
    quote: (last && /from\s*(['"])|require\((['"])/.exec(last.text)?.[0]?.at(-1)) ?? "'",
    end: last ? (/;\s*$/.test(last.text) ? ';' : '') : /;\r?$/m.test(text) || !/\n/.test(text) ? ';' : '',
  };
  const statement = statementOf(name, way, style);
  const lineBreak = lineBreakOf(text);
  if (last) {
    const lineEnd = /^[^\r\n]*/.exec(text.slice(last.endIndex))![0].length;
    return { start: last.endIndex + lineEnd, end: last.endIndex + lineEnd, text: lineBreak + statement };
  }
  const isPreamble = ({ type, text: own }: Node): boolean =>
    /comment|hash_bang/.test(type) || (type === 'expression_statement' && /^(['"])/.test(own));
  const first = children.find((node) => !isPreamble(node));
  if (!first) return null;
  return { start: first.startIndex, end: first.startIndex, text: statement + lineBreak + lineBreak };
}

/** Whether an import can take another name from a module: it has the same kind, and takes names from it. */
function isSameModule(node: Node, way: Import): boolean {
  const line = node.text;
  if (way.kind === 'from') return /^from\s+(\S+)\s+import/.exec(line)?.[1] === way.module;
  const module = /(?:from\s*|require\()(['"])([^'"]+)\1/.exec(line)?.[2];
  const isTypeOnly = /^import\s+type\b/.test(line);
  return (
    module === way.module &&
    isTypeOnly === way.isType &&
    /\{/.test(line) &&
    /^import/.test(line) === (way.kind === 'named')
  );
}
