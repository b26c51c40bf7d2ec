import { taggedAnswer } from '../answer-text.ts';
import type { PromptFormat } from '../task.ts';

/** The code of a completion, and whether it was in a fence, in which it does not have to continue the prompt's indentation. */
export interface ExtractedCode {
  readonly code: string;
  readonly isFenced: boolean;
}

/** End-of-text tokens, after which nothing belongs to the completion. */
const endOfText =
  /<\|(?:endoftext|eot_id|im_end|end_of_text|fim_pad|file_sep|end|EOT)\|>|<｜end▁of▁sentence｜>|<end_of_turn>|<eos>|<\/s>\s*$/;

/**
 * A fence: three or more backticks or tildes, closed by at least as many. It may be indented, as in a list, and the closing
 * one may follow the code on its line. One that is never closed ends with the text.
 */
const fence = /(?:(?<=^|\n)([ \t]*)|(?<![`~]))(`{3,}|~{3,})[^\n`]*\n([\s\S]*?)(?:\2|$)/g;

/**
 * The last fenced block that `isWanted` accepts, otherwise the text outside of fences if `isWanted` accepts that, otherwise the
 * last block, otherwise the tagged answer, otherwise the completion unchanged, because its indentation matters.
 */
export function extractCode(
  completion: string,
  format: PromptFormat,
  isWanted: (code: string) => boolean = () => false,
): ExtractedCode {
  const text = withoutQuote(afterReasoning(completion.split(endOfText, 1)[0] as string));
  const blocks = [...text.matchAll(fence)].map(([, indent = '', , code]) =>
    outdented((code as string).replaceAll('\r\n', '\n'), indent).trimEnd(),
  );
  const answer = (part: string): string => (format === 'plain' ? null : taggedAnswer(part)) ?? part;
  const wanted = blocks.findLast(isWanted);
  if (wanted !== undefined) return { code: wanted, isFenced: true };
  // A fence may be closed that was never opened, and examples may be in fences while the function is not.
  const outside = answer(text.replace(fence, '\n')).replace(/\n[ \t]*(?:`{3,}|~{3,})[ \t]*\s*$/, '');
  const unfenced = [withoutMarkup(outside), withoutIndent(outside)].find(isWanted);
  if (unfenced !== undefined) return { code: unfenced, isFenced: false };
  const last = blocks.at(-1);
  return last === undefined ? { code: answer(text), isFenced: false } : { code: last, isFenced: true };
}

/** The text after the reasoning, if there is any. */
function afterReasoning(text: string): string {
  const rest = text.split(/<\/(?:think|reasoning)>/).at(-1) as string;
  return rest.trim() === '' ? text : rest;
}

/** A fence in a quotation without the quotation's marks, and one in a fence without a language as that fence alone. */
const withoutQuote = (text: string): string =>
  (/^> ?(?:`{3}|~{3})/m.test(text) ? text.replace(/^> ?/gm, '') : text).replace(/^(`{3,})[ \t]*\n(?=\1\w)/gm, '');

/** Without tags around code, such as `[PYTHON]` and `<code>`. */
function withoutMarkup(text: string): string {
  if (!/^\s*(?:\[(?:PYTHON|JAVASCRIPT|TYPESCRIPT|CODE)\]|<(?:pre|code|script)\b)/.test(text)) return text;
  return text
    .replace(/^\[\/?(?:PYTHON|JAVASCRIPT|TYPESCRIPT|CODE)\][ \t]*$/gm, '')
    .replace(/^(?:<(?:pre|code|script)(?: [^<>]*)?>)+\n?|(?:<\/(?:pre|code|script)>)+[ \t]*$/gm, '');
}

/** Indented code after a line of prose, as in Markdown, without its indentation. */
const withoutIndent = (text: string): string =>
  prose.test(text.trimStart().split('\n', 1)[0] as string) && !/^(?:def|class|function|export)\b/m.test(text)
    ? text.replace(/^(?: {4}|\t)/gm, '')
    : text;

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
