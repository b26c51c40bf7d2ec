import path from 'node:path';
import { isName } from './tokens.ts';

/** How a line imports a name. */
export interface Import {
  readonly kind: 'named' | 'default' | 'namespace' | 'required' | 'required-named' | 'from' | 'module';
  /** The name that it has in the module; the module itself if it is imported as a whole. */
  readonly imported: string;
  /** The module as it is written: `./user.js`, `node:path`, `.models`. */
  readonly module: string;
  /** Whether only its type is imported. */
  readonly isType: boolean;
}

const statements = {
  javascript: /^import\s+(type\s+)?(.+?)\s+from\s+(['"])([^'"]+)\3\s*;?\s*$/,
  required: /^(?:const|let|var)\s+(.+?)\s*=\s*require\((['"])([^'"]+)\2\)\s*;?\s*$/,
  from: /^from\s+([\w.]+)\s+import\s+\(?([\w\s,*]+?)\)?\s*(?:#.*)?$/,
  module: /^import\s+([\w.]+(?:\s+as\s+\w+)?(?:\s*,\s*[\w.]+(?:\s+as\s+\w+)?)*)\s*(?:#.*)?$/,
};

/** How a line imports a name into its file; null if it does not. */
export function importOf(name: string, line: string, language: 'javascript' | 'python'): Import | null {
  if (language === 'python') return pythonImport(name, line);
  const written = statements.javascript.exec(line);
  if (written) {
    const [, type, clause, , module] = written as unknown as [string, string | undefined, string, string, string];
    const braces = /\{(.*)\}/.exec(clause)?.[1];
    const isType = type !== undefined;
    const outer = clause.replace(/,?\s*\{.*\}/, '').trim();
    if (outer === name) return { kind: 'default', imported: 'default', module, isType };
    if (new RegExp(`^(?:\\w+\\s*,\\s*)?\\*\\s+as\\s+${escaped(name)}$`).test(outer))
      return { kind: 'namespace', imported: '*', module, isType };
    for (const part of braces?.split(',') ?? []) {
      const [, ownType, imported, local] = /^\s*(type\s+)?([\w$]+)(?:\s+as\s+([\w$]+))?\s*$/.exec(part) ?? [];
      if (imported !== undefined && (local ?? imported) === name)
        return { kind: 'named', imported, module, isType: isType || ownType !== undefined };
    }
    return null;
  }
  const required = statements.required.exec(line);
  if (!required) return null;
  const [, target, , module] = required as unknown as [string, string, string, string];
  if (target === name) return { kind: 'required', imported: '*', module, isType: false };
  for (const part of /^\{(.*)\}$/.exec(target)?.[1]?.split(',') ?? []) {
    const [, imported, local] = /^\s*([\w$]+)(?:\s*:\s*([\w$]+))?\s*$/.exec(part) ?? [];
    if (imported !== undefined && (local ?? imported) === name)
      return { kind: 'required-named', imported, module, isType: false };
  }
  return null;
}

function pythonImport(name: string, line: string): Import | null {
  const from = statements.from.exec(line);
  const parts = (from ? from[2]! : (statements.module.exec(line)?.[1] ?? '')).split(',');
  for (const part of parts) {
    const [, imported, local] = /^\s*([\w.]+)(?:\s+as\s+(\w+))?\s*$/.exec(part) ?? [];
    if (imported === undefined || (local ?? imported) !== name) continue;
    return from
      ? { kind: 'from', imported, module: from[1]!, isType: false }
      : { kind: 'module', imported: '*', module: imported, isType: false };
  }
  return null;
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** An import of a file as another file would write it; null if that cannot be known. Names are paths with forward slashes. */
export function importFor(document: string, file: string, { module, ...rest }: Import): Import | null {
  if (!module.startsWith('.')) return { ...rest, module };
  const [from, to] = [path.posix.dirname(file), path.posix.dirname(document)];
  if (from === to) return { ...rest, module };
  // Python counts dots, and a document without a file has no folder.
  if (!/^\.{1,2}\//.test(module) || !path.posix.isAbsolute(document.replace(/^[A-Za-z]:/, ''))) return null;
  const relative = path.posix.relative(to, path.posix.join(from, module));
  return { ...rest, module: relative.startsWith('.') ? relative : `./${relative}` };
}

/** Whether a module, as `importFor` has it, is the document itself. */
export const isDocument = (document: string, { module }: Import): boolean =>
  module.startsWith('./') && withoutEnding(module.slice(2)) === withoutEnding(path.posix.basename(document));

const withoutEnding = (file: string): string => file.replace(/\.[cm]?[jt]sx?$|\.py$/, '');

/** The statement that imports a name, in the style of another one. */
export function statementOf(
  name: string,
  { kind, imported, module, isType }: Import,
  style: { readonly quote: string; readonly end: string },
): string {
  const { quote, end } = style;
  const from = `${quote}${module}${quote}`;
  const type = isType ? 'type ' : '';
  const renamed = (separator: string): string => (imported === name ? name : `${imported}${separator}${name}`);
  switch (kind) {
    case 'named':
      return `import ${type}{ ${renamed(' as ')} } from ${from}${end}`;
    case 'default':
      return `import ${type}${name} from ${from}${end}`;
    case 'namespace':
      return `import ${type}* as ${name} from ${from}${end}`;
    case 'required':
      return `const ${name} = require(${from})${end}`;
    case 'required-named':
      return `const { ${renamed(': ')} } = require(${from})${end}`;
    case 'from':
      return `from ${module} import ${renamed(' as ')}`;
    case 'module':
      return module === name ? `import ${module}` : `import ${module} as ${name}`;
  }
}

/** Whether a statement can take another name in its braces. */
export const takesNames = ({ kind }: Import): boolean =>
  kind === 'named' || kind === 'required-named' || kind === 'from';

export const isImportable = (name: string): boolean => isName(name) && name.length >= 2;
