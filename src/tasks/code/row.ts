import { z } from 'zod';
import { UserError } from '../../platform/errors.ts';
import { checkedRow } from '../checked.ts';
import { asCodeFields } from './published-rows.ts';

export type CodeLanguage = 'javascript' | 'typescript' | 'python';

/** A function to write, or a gap to fill: the code before it, and how a completion is graded. */
export interface CodeRow {
  /** The code up to the body or the gap. */
  readonly prompt: string;
  /**
   * Test code: calls of `test(name, body)`, functions `test_…`, a function `check(candidate)`, or plain assertions. Empty if
   * the row has `target` or `unit_tests` instead.
   */
  readonly tests: string;
  /** Name of the function; tests may use every name that the prompt declares. Empty if only text is compared. */
  readonly entry_point: string;
  readonly language: CodeLanguage;
  /** A body that passes the tests, if the data have one. */
  readonly solution?: string;
  /** The code after the gap. */
  readonly suffix?: string;
  /** Texts that end a completion which continues the prompt. */
  readonly stop_tokens?: readonly string[];
  /** The head of the function, for prompts that are prose. */
  readonly declaration?: string;
  /** The program to test, with `{{completion}}` for the completion, where it differs from prompt and suffix. */
  readonly eval_prompt?: string;
  /** A completion that equals this text is right; if the row has neither tests nor unit tests, no other one is. */
  readonly target?: string;
  /** Standard inputs of the program, and the outputs of which it must print one. */
  readonly unit_tests?: readonly UnitTest[];
}

export interface UnitTest {
  readonly input: string;
  readonly output: readonly string[];
}

/** Fields of rows that are used, in all published shapes. Other fields are ignored, and named once. */
export const codeFields = [
  ...['prompt', 'tests', 'test', 'entry_point', 'language', 'lang', 'solution', 'canonical_solution', 'suffix'],
  ...['stop_tokens', 'declaration', 'eval_prompt', 'target', 'unit_tests', 'task_id', 'name', 'import', 'test_setup'],
  ...['text', 'code', 'test_list', 'test_setup_code', 'test_imports', 'ground_truth', 'groundtruth', 'right_context'],
  ...['metadata', 'prefix_code', 'middle_code', 'suffix_code', 'file_name'],
] as const;

const text = z.string({ error: 'needs a text' }).min(1, 'is empty');
const optionalText = z.string({ error: 'needs a text' }).nullish();
const output = z.union([z.string().transform((one) => [one]), z.array(z.string())], { error: 'needs a list of texts' });

const recordSchema = z.object(
  {
    prompt: z.string({ error: 'needs a text' }),
    tests: z.string({ error: 'needs a text' }).nullish(),
    entry_point: optionalText,
    named: z.string().optional(),
    language: z.string({ error: 'needs javascript, typescript or python' }).nullish(),
    solution: optionalText,
    suffix: optionalText,
    stop_tokens: z.array(z.string(), { error: 'needs a list of texts' }).nullish(),
    declaration: optionalText,
    eval_prompt: optionalText,
    target: text.nullish(),
    unit_tests: z
      .array(z.object({ input: z.string(), output }), { error: 'needs a list of inputs and outputs' })
      .nullish(),
  },
  { error: 'a problem is an object with the fields prompt, tests and language' },
);

const names: Readonly<Record<string, CodeLanguage>> = {
  ...{ js: 'javascript', javascript: 'javascript', node: 'javascript', nodejs: 'javascript' },
  ...{
    ts: 'typescript',
    typescript: 'typescript',
    py: 'python',
    python: 'python',
    python2: 'python',
    python3: 'python',
  },
};

/** Reads a row in the field names of `CodeRow` or of a published data set (`asCodeFields`). */
export function codeRow(record: unknown): CodeRow {
  const fields =
    typeof record === 'object' && record !== null ? asCodeFields(record as Record<string, unknown>) : record;
  const read = checkedRow(recordSchema, fields);
  const { prompt, tests, solution, suffix, stop_tokens, declaration, eval_prompt, target, unit_tests } = read;
  const language = languageIn(read.language, `${declaration ?? ''}\n${prompt}`);
  const isCompared = target != null || unit_tests != null;
  if (prompt === '' && !isCompared) throw new UserError('prompt: is empty.');
  if (tests == null && !isCompared) throw new UserError('tests: is missing.');
  if (unit_tests != null && language !== 'python')
    throw new UserError('unit_tests: programs that read standard input are run in python only; leave the row out.');
  const entry = read.entry_point || entryIn(`${declaration ?? ''}\n${prompt}`, language, read.named);
  if (entry === undefined && !isCompared)
    throw new UserError('entry_point: is missing, and the prompt declares no function.');
  return {
    prompt,
    tests: tests ?? '',
    entry_point: entry ?? '',
    language,
    ...(solution == null ? {} : { solution }),
    ...(suffix == null || suffix === '' ? {} : { suffix }),
    ...(stop_tokens == null || stop_tokens.length === 0 ? {} : { stop_tokens }),
    ...(declaration == null || declaredNames(prompt, language).length > 0 ? {} : { declaration }),
    ...(eval_prompt == null ? {} : { eval_prompt }),
    ...(target == null ? {} : { target }),
    ...(unit_tests == null ? {} : { unit_tests }),
  };
}

/** The language that a row names, otherwise the one in which its prompt is written. */
function languageIn(named: string | null | undefined, prompt: string): CodeLanguage {
  if (named != null) {
    const language = names[named.trim().toLowerCase()];
    if (language) return language;
    throw new UserError(
      `language: must be javascript, typescript or python, not ${named}; other languages are not run.`,
    );
  }
  if (/^[ \t]*(?:async )?(?:def \w+\(|class \w+.*:[ \t]*$)|^(?:from [\w.]+ )?import \w+(?!.*['";])/m.test(prompt))
    return 'python';
  const declaresFunction = /^(?:export )?(?:default )?(?:async )?(?:function\b|class \w+ \{|const [\w$]+ = .*=>)/m.test(
    prompt,
  );
  if (declaresFunction)
    return /\)\s*:\s*\w|[\w$]\??:\s*[A-Za-z{[]/.test(prompt.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, ''))
      ? 'typescript'
      : 'javascript';
  throw new UserError('language: needs javascript, typescript or python.');
}

/** The function that the row is named after (MultiPL-E: `HumanEval_0_has_close_elements`), otherwise the last one. */
function entryIn(code: string, language: CodeLanguage, named = ''): string | undefined {
  const declared = declaredNames(code, language);
  return declared.findLast((name) => named.endsWith(`_${name}`)) ?? declared.at(-1);
}

/**
 * Whether a JavaScript row is a plain script (CommonJS, without strict mode) rather than an ES module: neither its code nor
 * its tests import or export anything.
 */
export function isScript({ language, prompt, suffix = '', solution = '', tests, declaration = '' }: CodeRow): boolean {
  return language === 'javascript' && ![prompt, suffix, solution, tests, declaration].some(usesModules);
}

export const usesModules = (code: string): boolean =>
  /^[ \t]*(?:export\s+(?:default\b|\{|\*|async\b|function\b|class\b|const\b|let\b|var\b)|import\s*(?:[\w$*{]|['"]))/m.test(
    code,
  );

const declarations: Readonly<Record<CodeLanguage, RegExp>> = {
  javascript: /^(export\s+)?(?:default\s+)?(?:async\s+)?(?:function\*?|class|const|let|var)\s+([\w$]+)/gm,
  typescript: /^(export\s+)?(?:default\s+)?(?:async\s+)?(?:function\*?|class|const|let|var)\s+([\w$]+)/gm,
  python: /^()(?:async\s+)?(?:def|class)\s+(\w+)/gm,
};

/** Names that a text declares at its top level, in order. */
export function declaredNames(code: string, language: CodeLanguage): string[] {
  return [...new Set([...code.matchAll(declarations[language])].map((match) => match[2] as string))];
}

/** Names that a text declares at its top level and does not export. */
export function unexportedNames(code: string, language: CodeLanguage): string[] {
  const exported = [...code.matchAll(declarations[language])].filter((match) => match[1]).map((match) => match[2]);
  return declaredNames(code, language).filter((name) => !exported.includes(name));
}
