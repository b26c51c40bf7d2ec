import { z } from 'zod';
import { UserError } from '../../platform/errors.ts';
import { checkedRow } from '../checked.ts';

export type CodeLanguage = 'javascript' | 'typescript' | 'python';

/** A function to write: the code before its body, and the tests that it must pass. */
export interface CodeRow {
  /** The code up to the body. */
  readonly prompt: string;
  /** Test code: calls of `test(name, body)`, functions `test_…`, a function `check(candidate)`, or plain assertions. */
  readonly tests: string;
  /** Name of the function; tests may use every name that the prompt declares. */
  readonly entry_point: string;
  readonly language: CodeLanguage;
  /** A body that passes the tests, if the data have one. */
  readonly solution?: string;
}

const text = z.string({ error: 'needs a text' }).min(1, 'is empty');

/** Also accepts the field names of HumanEval: `test` for the tests, `canonical_solution` for the solution. */
const recordSchema = z
  .object(
    {
      prompt: text,
      tests: text.optional(),
      test: text.optional(),
      entry_point: z.string().optional(),
      language: z
        .string({ error: 'needs javascript, typescript or python' })
        .transform((name) => names[name.toLowerCase()] ?? name)
        .pipe(z.enum(['javascript', 'typescript', 'python'], { error: 'must be javascript, typescript or python' })),
      solution: z.string().optional(),
      canonical_solution: z.string().optional(),
    },
    { error: 'a problem is an object with the fields prompt, tests and language' },
  )
  .transform(({ prompt, tests, test, entry_point, language, solution, canonical_solution }) => ({
    prompt,
    tests: tests ?? test,
    entry_point,
    language,
    solution: solution ?? canonical_solution,
  }));

const names: Readonly<Record<string, CodeLanguage>> = { js: 'javascript', ts: 'typescript', py: 'python' };

export function codeRow(record: unknown): CodeRow {
  const { prompt, tests, entry_point, language, solution } = checkedRow(recordSchema, record);
  if (tests === undefined) throw new UserError('tests: is missing.');
  const entry = entry_point ?? declaredNames(prompt, language).at(-1);
  if (entry === undefined) throw new UserError('entry_point: is missing, and the prompt declares no function.');
  return { prompt, tests, entry_point: entry, language, ...(solution === undefined ? {} : { solution }) };
}

const declarations: Readonly<Record<CodeLanguage, RegExp>> = {
  javascript: /^(export\s+)?(?:async\s+)?(?:function\*?|class|const|let|var)\s+([\w$]+)/gm,
  typescript: /^(export\s+)?(?:async\s+)?(?:function\*?|class|const|let|var)\s+([\w$]+)/gm,
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
