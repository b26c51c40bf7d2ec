import { languageOf } from '../../syntax/trees.ts';
import type { WorkspaceRow } from './row.ts';

/** Characters of a file that a prompt shows: some four of them are a token of code. */
const mostCharacters = 1200;
/** Of these, those for the head of the file, where its imports stand, if not all of it fits. */
const headCharacters = 400;
/** Characters behind the body that are shown. */
const suffixCharacters = 400;
/** Names of tests that are told at most. */
const mostNames = 4;

/**
 * The file up to the body, cut to what a context holds: its head, where imports stand, and what is nearest. Above it the
 * names of the tests that guard the function, for they say what it must do.
 */
export function plainPrompt({ prefix, guards, file }: WorkspaceRow): string {
  const comment = languageOf(file) === 'python' ? '#' : '//';
  const names = guards.flatMap(({ tests }) => tests).slice(0, mostNames);
  return `${names.map((name) => `${comment} ${name.replace(/\s+/g, ' ').slice(0, 120)}\n`).join('')}${shortened(prefix, comment)}`;
}

/** What stands behind the body, as far as it is shown. */
export const shownSuffix = ({ suffix }: Pick<WorkspaceRow, 'suffix'>): string =>
  suffix.length <= suffixCharacters ? suffix : wholeLinesOf(suffix.slice(0, suffixCharacters), 'start');

function shortened(prefix: string, comment: string): string {
  if (prefix.length <= mostCharacters) return prefix;
  const head = wholeLinesOf(prefix.slice(0, headCharacters), 'start');
  const near = wholeLinesOf(prefix.slice(prefix.length - (mostCharacters - head.length)), 'end');
  return `${head}${comment} ...\n${near}`;
}

/** Without the line that was cut off, at the end of a start and at the start of an end. */
function wholeLinesOf(text: string, part: 'start' | 'end'): string {
  const place = part === 'start' ? text.lastIndexOf('\n') + 1 : text.indexOf('\n') + 1;
  return part === 'start' ? text.slice(0, place) : text.slice(place);
}

export function taggedPrompt(row: WorkspaceRow): string {
  return `Write the body of ${row.function} in ${row.file}, so that its tests pass. This stands before it:

\`\`\`
${plainPrompt(row).trimEnd()}
\`\`\`

And this behind it:

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
