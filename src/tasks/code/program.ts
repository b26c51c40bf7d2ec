import { taggedAnswer } from '../answer-text.ts';
import type { PromptFormat } from '../task.ts';
import { type CodeRow, declaredNames, unexportedNames } from './row.ts';

/** The program that is tested for a completion. */
export interface CandidateProgram {
  /** The whole module: the prompt followed by the body. */
  readonly source: string;
  /** The code as written in the completion. */
  readonly code: string;
}

/** A longer completion counts as one without code, so that no parser has to work through it. */
export const maxCharacters = 100_000;

/**
 * Appends a completion to its prompt. Chat models put their code into a fence and repeat the head of the function; it then
 * replaces the prompt's. Null if the completion has no code.
 */
export function candidateProgram(row: CodeRow, completion: string, format: PromptFormat): CandidateProgram | null {
  if (completion.length > maxCharacters) return null;
  const code = codeIn(completion, format);
  if (code.trim() === '') return null;
  const redeclaresEntryPoint = declaredNames(code, row.language).includes(row.entry_point);
  const before = redeclaresEntryPoint ? row.prompt.slice(0, startOfEntry(row)) : row.prompt;
  return { source: before + code + exportsOf(row, before + code), code };
}

/** The last fenced block, otherwise the tagged answer, otherwise the completion unchanged, because indentation matters. */
export function codeIn(completion: string, format: PromptFormat): string {
  const fenced = [...completion.matchAll(/```[^\n`]*\n([\s\S]*?)(?:```|$)/g)].at(-1);
  if (fenced) return (fenced[1] as string).trimEnd();
  return (format === 'plain' ? null : taggedAnswer(completion)) ?? completion;
}

/** Where the requested function begins in the prompt; the prompt's end if it does not occur. */
function startOfEntry({ prompt, entry_point: entry, language }: CodeRow): number {
  const name = entry.replace(/\$/g, '\\$');
  const begin =
    language === 'python'
      ? new RegExp(`^(?:async\\s+)?(?:def|class)\\s+${name}\\b`, 'm')
      : new RegExp(`^(?:export\\s+)?(?:async\\s+)?(?:function\\*?|class|const|let|var)\\s+${name}(?![\\w$])`, 'm');
  return begin.exec(prompt)?.index ?? prompt.length;
}

/** Exports for names of the prompt that tests may use and the module does not export yet. */
function exportsOf(row: CodeRow, source: string): string {
  if (row.language === 'python') return '';
  const names = visibleNames(row);
  const missing = unexportedNames(source, row.language).filter((name) => names.includes(name));
  return missing.length === 0 ? '' : `\nexport { ${missing.join(', ')} };\n`;
}

/** Names that the tests may use. */
export function visibleNames(row: CodeRow): string[] {
  return [...new Set([...declaredNames(row.prompt, row.language), row.entry_point])];
}
