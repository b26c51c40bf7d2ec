import { languageOf } from '../../syntax/trees.ts';
import type { WorkspaceRow } from './row.ts';

/** Maximum number of characters of the file in a prompt; a token of code is about four characters. */
const mostCharacters = 1200;
/** The part of these for the beginning of the file, with its imports, if the whole file does not fit. */
const headCharacters = 400;
/** Maximum number of characters after the body in a prompt. */
const suffixCharacters = 400;
/** Maximum number of test names in a prompt. */
const maxNames = 4;

/**
 * The file up to the body, shortened to its beginning, which has the imports, and the text nearest to the body. The names
 * of the tests that cover the function come first, because they say what it must do.
 */
export function plainPrompt({ prefix, guards, file }: WorkspaceRow): string {
  const comment = languageOf(file) === 'python' ? '#' : '//';
  const names = guards.flatMap(({ tests }) => tests).slice(0, maxNames);
  return `${names.map((name) => `${comment} ${name.replace(/\s+/g, ' ').slice(0, 120)}\n`).join('')}${shortened(prefix, comment)}`;
}

/** The text after the body that a prompt shows. */
export const shownSuffix = ({ suffix }: Pick<WorkspaceRow, 'suffix'>): string =>
  suffix.length <= suffixCharacters ? suffix : wholeLinesOf(suffix.slice(0, suffixCharacters), 'start');

function shortened(prefix: string, comment: string): string {
  if (prefix.length <= mostCharacters) return prefix;
  const head = wholeLinesOf(prefix.slice(0, headCharacters), 'start');
  const near = wholeLinesOf(prefix.slice(prefix.length - (mostCharacters - head.length)), 'end');
  return `${head}${comment} ...\n${near}`;
}

/** Drops the line that was cut: the last one of a beginning, or the first one of an ending. */
function wholeLinesOf(text: string, part: 'start' | 'end'): string {
  const lineBreak = part === 'start' ? text.lastIndexOf('\n') + 1 : text.indexOf('\n') + 1;
  return part === 'start' ? text.slice(0, lineBreak) : text.slice(lineBreak);
}

export function taggedPrompt(row: WorkspaceRow): string {
  return `Write ${row.part === undefined ? 'the body' : 'the missing part of the body'} of ${row.function} in ${row.file}, so that its tests pass. The code before it:

\`\`\`
${plainPrompt(row).trimEnd()}
\`\`\`

The code after it:

\`\`\`
${shownSuffix(row).trimEnd()}
\`\`\`

Respond in the following format:
<reasoning>
...
</reasoning>
<answer>
\`\`\`
...
\`\`\`
</answer>`;
}
