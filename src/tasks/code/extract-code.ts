import { taggedAnswer } from '../answer-text.ts';
import type { PromptFormat } from '../task.ts';

/** The code of a completion, and whether it was in a fence, in which it does not have to continue the prompt's indentation. */
export interface ExtractedCode {
  readonly code: string;
  readonly isFenced: boolean;
}

/** End-of-text tokens, after which nothing belongs to the completion. */
const endOfText = /<\|(?:endoftext|eot_id|im_end|end_of_text|fim_pad|file_sep)\|>|<｜end▁of▁sentence｜>/;

/**
 * A fence: three or more backticks or tildes, closed by at least as many. It may be indented, as in a list, and the closing
 * one may follow the code on its line. One that is never closed ends with the text.
 */
const fence = /(?:(?<=^|\n)([ \t]*)|(?<![`~]))(`{3,}|~{3,})[^\n`]*\n([\s\S]*?)(?:\2|$)/g;

/**
 * The last fenced block that `isWanted` accepts, otherwise the last one, otherwise the tagged answer, otherwise the
 * completion unchanged, because its indentation matters.
 */
export function extractCode(
  completion: string,
  format: PromptFormat,
  isWanted: (code: string) => boolean = () => false,
): ExtractedCode {
  const text = completion.split(endOfText, 1)[0] as string;
  const blocks = [...text.matchAll(fence)].map(([, indent = '', , code]) =>
    outdented(code as string, indent).trimEnd(),
  );
  const fenced = blocks.findLast(isWanted) ?? blocks.at(-1);
  if (fenced !== undefined) return { code: fenced, isFenced: true };
  return { code: (format === 'plain' ? null : taggedAnswer(text)) ?? text, isFenced: false };
}

/** Removes the indentation of the fence, or as much as a line has of it. */
function outdented(code: string, indent: string): string {
  if (indent === '') return code;
  return code.replace(new RegExp(`^[ \\t]{1,${indent.length}}`, 'gm'), '');
}

/** A line of prose rather than code: a capitalised word that another word or a comma follows, or a line of Markdown. */
const prose = /^(?:[#>*-]+ +|\d+[.)] +|\*\*)?[A-Z][\p{L}’'-]*(?:[,:!.]|\s+[\p{L}\d`*(])(?!.*[;{]$)/u;

/** A line with which code may begin before the function: imports, definitions, decorators, comments, assignments. */
const codeStart =
  /^(?:import\s+[\w{*'"]|from\s+[\w.]+\s+import\b|export\s|(?:async\s+)?(?:def|function)\b|class\s+\w+\s*[:({]|(?:const|let|var|type|interface|enum)\s+[\w${[]|@\w|#|\/\/|\/\*|"""|'''|['"]use strict['"]|[\w.$]+\s*=[^=])/;

/**
 * Code without the prose around it. `declaration` matches the line that declares the requested function. What comes before
 * it is kept from its first line of code on; what comes after it, up to the first line of prose that is not indented.
 */
export function withoutProse(code: string, declaration: RegExp): string {
  const lines = code.split('\n');
  const declared = lines.findIndex((line) => declaration.test(line));
  if (declared < 0) return code;
  const firstCode = lines.findIndex((line) => codeStart.test(line) && !prose.test(line));
  const hasProseBefore = lines
    .slice(0, declared)
    .some((line) => line.trim() !== '' && !codeStart.test(line) && /^\S/.test(line) && !/^[)\]}]/.test(line));
  const start = hasProseBefore ? Math.min(firstCode < 0 ? declared : firstCode, declared) : 0;
  const after = lines.findIndex((line, index) => index > declared && prose.test(line));
  return lines.slice(start, after < 0 ? undefined : after).join('\n');
}
