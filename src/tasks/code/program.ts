import { taggedAnswer } from '../answer-text.ts';
import type { PromptFormat } from '../task.ts';
import { type CodeRow, declaredNames, unexportedNames } from './row.ts';

/** What is run for a completion, or read out of one. */
export interface CandidateProgram {
  /** The whole module: prompt and body, put together. */
  readonly source: string;
  /** The code as it stood in the completion. */
  readonly code: string;
}

/** A longer completion counts as one without code, so that no parser has to work through it. */
export const maxCharacters = 100_000;

/**
 * Puts a completion behind its prompt. Chat models fence their code and begin the function anew: then it takes the place of
 * the prompt's. Null where there is no code in it.
 */
export function candidateProgram(row: CodeRow, completion: string, format: PromptFormat): CandidateProgram | null {
  if (completion.length > maxCharacters) return null;
  const code = codeIn(completion, format);
  if (code.trim() === '') return null;
  const beginsAnew = declaredNames(code, row.language).includes(row.entry_point);
  const before = beginsAnew ? row.prompt.slice(0, startOfEntry(row)) : row.prompt;
  return { source: before + code + exportsOf(row, before + code), code };
}

/** A fenced block, else a tagged answer, else the completion as it is: white space at the start of a line is code's. */
export function codeIn(completion: string, format: PromptFormat): string {
  const fenced = [...completion.matchAll(/```[^\n`]*\n([\s\S]*?)(?:```|$)/g)].at(-1);
  if (fenced) return (fenced[1] as string).trimEnd();
  return (format === 'plain' ? null : taggedAnswer(completion)) ?? completion;
}

/** Where the function that is asked for begins in the prompt; its end where it does not. */
function startOfEntry({ prompt, entry_point: entry, language }: CodeRow): number {
  const name = entry.replace(/\$/g, '\\$');
  const begin =
    language === 'python'
      ? new RegExp(`^(?:async\\s+)?(?:def|class)\\s+${name}\\b`, 'm')
      : new RegExp(`^(?:export\\s+)?(?:async\\s+)?(?:function\\*?|class|const|let|var)\\s+${name}(?![\\w$])`, 'm');
  return begin.exec(prompt)?.index ?? prompt.length;
}

/** Tests see what the prompt declares, so a module must export it. */
function exportsOf(row: CodeRow, source: string): string {
  if (row.language === 'python') return '';
  const wanted = visibleNames(row);
  const missing = unexportedNames(source, row.language).filter((name) => wanted.includes(name));
  return missing.length === 0 ? '' : `\nexport { ${missing.join(', ')} };\n`;
}

/** Names that the tests may use. */
export function visibleNames(row: CodeRow): string[] {
  return [...new Set([...declaredNames(row.prompt, row.language), row.entry_point])];
}
