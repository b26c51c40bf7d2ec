import type { PromptFormat } from '../task.ts';
import { type ExtractedCode, extractCode, withoutProse } from './extract-code.ts';
import { type CodeRow, declaredNames, isScript, unexportedNames, usesModules } from './row.ts';

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
 * Puts a completion between prompt and suffix. Chat models put their code into a fence and repeat the head of the function;
 * it then replaces the prompt's, and the suffix. Null if the completion has no code.
 */
export function candidateProgram(row: CodeRow, completion: string, format: PromptFormat): CandidateProgram | null {
  if (completion.length > maxCharacters) return null;
  const found = extractCode(completion, format, (block) => declaresEntry(row, withDeclaration(row, block)));
  const extracted = { ...found, code: withDeclaration(row, found.code) };
  const redeclaresEntryPoint = declaresEntry(row, extracted.code);
  const code = tidied(row, extracted, redeclaresEntryPoint);
  if (code.trim() === '') return null;
  const source = redeclaresEntryPoint ? row.prompt.slice(0, startOfEntry(row)) + code : filled(row, code);
  return { source: source + namesOf(row, source), code };
}

/** The program around a completion that fills the gap. */
function filled({ prompt, suffix = '', declaration, eval_prompt: whole }: CodeRow, code: string): string {
  if (whole !== undefined) return whole.split('{{completion}}').join(code);
  return `${declaration === undefined ? prompt : `${declaration.trimEnd()}\n`}${code}${suffix}`;
}

/** The code without prose, without what follows a stop token, and in the module system of its row. */
function tidied(row: CodeRow, { code, isFenced }: ExtractedCode, redeclaresEntryPoint: boolean): string {
  if (redeclaresEntryPoint) {
    const declaration = isMethodOfSolution(row, code) ? solutionClass : entryPattern(row);
    return withRowModules(row, isFenced ? code : withoutProse(code, declaration));
  }
  const stop = isFenced ? [] : (row.stop_tokens ?? []).map((token) => code.indexOf(token)).filter((at) => at >= 0);
  const ended = withRowModules(row, stop.length === 0 ? code : code.slice(0, Math.min(...stop)));
  // A body in a fence often begins at the margin.
  return isFenced && row.language === 'python' && /^\S/.test(ended) && /:[ \t]*\n(?:[ \t]+[\s\S]*)?$/.test(row.prompt)
    ? ended.replace(/^(?=.)/gm, '    ')
    : ended;
}

/** `module.exports = function f…` and `exports.f = …` as declarations of the requested function. */
function withDeclaration({ entry_point: entry, language }: CodeRow, code: string): string {
  if (language === 'python' || entry === '') return code;
  const name = entry.replace(/\$/g, '\\$');
  return code
    .replace(
      new RegExp(
        `^(?:module\\.)?exports(?:\\.${name})?\\s*=\\s*(?=(?:async\\s+)?function\\*?\\s+${name}(?![\\w$]))`,
        'gm',
      ),
      '',
    )
    .replace(
      new RegExp(`^(?:module\\.)?exports\\.${name}\\s*=\\s*(?=(?:async\\s*)?(?:function\\b|\\(|[\\w$]+\\s*=>))`, 'gm'),
      () => `const ${entry} = `,
    );
}

/** Exports of another module system than the row's fail, and a list of exports hides or repeats names: both are removed. */
function withRowModules(row: CodeRow, code: string): string {
  if (row.language === 'python') return code;
  const unlisted = code
    .replace(/^export\s*\{[^{}]*\}[ \t]*;?[ \t]*$/gm, '')
    .replace(/^export\s+default\s+(?=(?:async\s+)?function\s*\*?\s*[\w$]|class\s+[\w$])/gm, 'export ');
  if (!isScript(row))
    return unlisted.replace(/^(?:module\.)?exports(?:\.[\w$]+)?\s*=\s*(?:\{[^{}]*\}|[\w$.]+)[ \t]*;?[ \t]*$/gm, '');
  return unlisted
    .replace(/^export\s+default\s+[\w$]+[ \t]*;?[ \t]*$/gm, '')
    .replace(/^export\s+(?=(?:async\s+)?function\b|class\b|const\b|let\b|var\b)/gm, '');
}

const solutionClass = /^class\s+Solution\b/m;

/** Whether code declares the requested function, at its top level or as a method of a class `Solution`. */
function declaresEntry(row: CodeRow, code: string): boolean {
  if (row.entry_point === '') return false;
  return declaredNames(code, row.language).includes(row.entry_point) || isMethodOfSolution(row, code);
}

function isMethodOfSolution({ entry_point: entry, language }: CodeRow, code: string): boolean {
  const at = solutionClass.exec(code)?.index;
  if (at === undefined || declaredNames(code, language).includes(entry)) return false;
  const name = entry.replace(/\$/g, '\\$');
  return new RegExp(
    language === 'python' ? `^\\s+def\\s+${name}\\b` : `^\\s+(?:static\\s+|async\\s+)*${name}\\s*\\(`,
    'm',
  ).test(code.slice(at));
}

/** Where the requested function begins in the prompt; the prompt's end if it does not occur. */
const startOfEntry = (row: CodeRow): number => entryPattern(row).exec(row.prompt)?.index ?? row.prompt.length;

/** Matches the declaration of the requested function at the beginning of a line. */
function entryPattern({ entry_point: entry, language }: CodeRow): RegExp {
  const name = entry.replace(/\$/g, '\\$');
  return language === 'python'
    ? new RegExp(`^(?:async\\s+)?(?:def|class)\\s+${name}\\b`, 'm')
    : new RegExp(
        `^(?:export\\s+)?(?:default\\s+)?(?:async\\s+)?(?:function\\*?|class|const|let|var)\\s+${name}(?![\\w$])`,
        'm',
      );
}

/** Code after a program that makes the names which tests may use available to them. */
function namesOf(row: CodeRow, source: string): string {
  const { entry_point: entry, language } = row;
  const isMethod = isMethodOfSolution(row, source);
  if (language === 'python') return isMethod ? `\n\n${entry} = Solution().${entry}\n` : '';
  const method = isMethod ? `\nconst ${entry} = (...values) => new Solution().${entry}(...values);` : '';
  const visible = visibleNames(row);
  if (isScript(row) && !usesModules(source)) {
    const values = visible.map((name) => `${name}: typeof ${name} === 'undefined' ? undefined : ${name}`);
    return `${method}\nmodule.exports = { ${values.join(', ')} };\n`;
  }
  const missing = unexportedNames(source + method, language).filter((name) => visible.includes(name));
  return missing.length === 0 ? method : `${method}\nexport { ${missing.join(', ')} };\n`;
}

/** Names that the tests may use. */
export function visibleNames(row: CodeRow): string[] {
  return [...new Set([...declaredNames(row.declaration ?? row.prompt, row.language), row.entry_point])].filter(
    (name) => name !== '',
  );
}
