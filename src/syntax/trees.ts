import { createRequire } from 'node:module';
import path from 'node:path';
import type { Language, Parser as ParserType, Tree } from '@vscode/tree-sitter-wasm';

/** Grammar by VS Code's language id. .vscodeignore lists the grammar files that are shipped. */
const grammars: Readonly<Record<string, string>> = {
  typescript: 'typescript',
  typescriptreact: 'tsx',
  javascript: 'javascript',
  javascriptreact: 'tsx',
  python: 'python',
  go: 'go',
  rust: 'rust',
  java: 'java',
  css: 'css',
};

/** Whether a language, by VS Code's id, has a grammar here. */
export const hasGrammar = (languageId: string): boolean => Object.hasOwn(grammars, languageId);

/** The language id of a source file by its name; null if it is unknown. */
export function languageOf(file: string): string | null {
  const byExtension: Readonly<Record<string, string>> = {
    ts: 'typescript',
    mts: 'typescript',
    cts: 'typescript',
    tsx: 'typescriptreact',
    js: 'javascript',
    mjs: 'javascript',
    cjs: 'javascript',
    jsx: 'javascriptreact',
    py: 'python',
    go: 'go',
    rs: 'rust',
    java: 'java',
  };
  return byExtension[path.extname(file).slice(1)] ?? null;
}

type TreeSitter = typeof import('@vscode/tree-sitter-wasm');

let library: Promise<TreeSitter> | undefined;

function treeSitter(): Promise<TreeSitter> {
  library ??= loadLibrary();
  return library;
}

const languages = new Map<string, Promise<Language>>();

/** Longer texts are not parsed for a completion, which would have to wait. */
export const longestParsed = 200_000;

/**
 * The syntax tree of a text, by VS Code's own grammars (tree-sitter). Null for a language without one. Free it with
 * `delete`.
 */
export async function parseSource(languageId: string, text: string): Promise<Tree | null> {
  const grammar = grammars[languageId];
  if (grammar === undefined) return null;
  const { Parser } = await treeSitter();
  const parser: ParserType = new Parser();
  try {
    parser.setLanguage(await loadLanguage(grammar));
    return parser.parse(text);
  } finally {
    parser.delete();
  }
}

/** Whether a text has no syntax errors; null for a language without a grammar. */
export async function isWellFormed(languageId: string, text: string): Promise<boolean | null> {
  const tree = await parseSource(languageId, text);
  if (!tree) return null;
  try {
    return !tree.rootNode.hasError;
  } finally {
    tree.delete();
  }
}

const require = createRequire(import.meta.url);
const wasm = (name: string): string => path.join(path.dirname(require.resolve('@vscode/tree-sitter-wasm')), name);

async function loadLibrary(): Promise<TreeSitter> {
  const loaded = require('@vscode/tree-sitter-wasm') as TreeSitter;
  await loaded.Parser.init({ locateFile: () => wasm('tree-sitter.wasm') });
  return loaded;
}

function loadLanguage(grammar: string): Promise<Language> {
  const known = languages.get(grammar);
  if (known) return known;
  const loading = treeSitter().then(({ Language }) => Language.load(wasm(`tree-sitter-${grammar}.wasm`)));
  languages.set(grammar, loading);
  return loading;
}
