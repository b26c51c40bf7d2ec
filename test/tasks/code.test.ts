import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import { stripTypes } from '../../src/syntax/strip-types.ts';
import { code } from '../../src/tasks/code/code.ts';
import { parseProblems } from '../../src/tasks/code/problem-files.ts';
import { candidateProgram } from '../../src/tasks/code/program.ts';
import { codeRow } from '../../src/tasks/code/row.ts';

const prompt = 'const base = 1;\n\n/** Adds. */\nexport function add(a: number): number {\n';

describe('codeRow', () => {
  it('accepts its own field names and those of HumanEval', () => {
    const row = { prompt, tests: 'assert(add(1) === 2)', entry_point: 'add', language: 'typescript' };
    assert.deepEqual(codeRow(row), row);
    const { tests, ...others } = row;
    assert.deepEqual(codeRow({ ...others, test: tests, canonical_solution: '}', language: 'TS' }), {
      ...row,
      solution: '}',
    });
  });

  it('finds the function in the prompt if no name is set', () => {
    assert.equal(codeRow({ prompt, tests: 'x', language: 'ts' }).entry_point, 'add');
    assert.equal(
      codeRow({ prompt: 'import re\n\ndef f(x):\n    """x"""\n', tests: 'x', language: 'py' }).entry_point,
      'f',
    );
    assert.equal(codeRow({ prompt: 'const g = (x) => {\n', tests: 'x', language: 'js' }).entry_point, 'g');
  });

  it('reports which field is missing or invalid', () => {
    const invalid: [unknown, RegExp][] = [
      [{ prompt, language: 'ts' }, /^tests: is missing\.$/],
      [{ tests: 'x', language: 'ts' }, /^prompt: needs a text\.$/],
      [{ prompt: '', tests: 'x', language: 'ts' }, /^prompt: is empty\.$/],
      [{ prompt, tests: 'x' }, /^language: needs javascript, typescript or python\.$/],
      [{ prompt, tests: 'x', language: 'cobol' }, /^language: must be javascript, typescript or python\.$/],
      [
        { prompt: '// nothing', tests: 'x', language: 'js' },
        /^entry_point: is missing, and the prompt declares no function\.$/,
      ],
      [null, /a problem is an object/],
    ];
    for (const [record, message] of invalid)
      assert.throws(
        () => codeRow(record),
        (error) => error instanceof UserError && message.test(error.message),
      );
  });
});

describe('candidateProgram', () => {
  const row = codeRow({ prompt, tests: 'x', language: 'ts' });

  it('joins the prompt and the completion, and exports everything that tests may use', () => {
    assert.deepEqual(candidateProgram(row, '  return a + base;\n}\n', 'plain'), {
      code: '  return a + base;\n}\n',
      source: `${prompt}  return a + base;\n}\n\nexport { base };\n`,
    });
  });

  it("extracts the code from a fence, and drops the function's head from the prompt if the completion repeats it", () => {
    const completion = 'Sure:\n```ts\nexport function add(a: number) { return a + base; }\n```\nDone.';
    assert.equal(
      candidateProgram(row, completion, 'tagged')?.source,
      'const base = 1;\n\n/** Adds. */\nexport function add(a: number) { return a + base; }\nexport { base };\n',
    );
    const python = codeRow({ prompt: 'def f(x):\n', tests: 'x', language: 'python' });
    assert.equal(
      candidateProgram(python, '<answer>def f(x):\n  return 1</answer>', 'tagged')?.source,
      'def f(x):\n  return 1',
    );
  });

  it('returns null for an empty or too long completion', () => {
    for (const completion of ['', ' \n', '```\n```', 'x'.repeat(100_001)])
      assert.equal(candidateProgram(row, completion, 'plain'), null);
  });
});

describe('stripTypes', () => {
  const cases: Readonly<Record<string, string>> = {
    'function f(a: number, b?: string): void {}': 'function f(a        , b         )       {}',
    'const x = y as unknown as T;': 'const x = y                ;',
    'const x = (y satisfies T)!.z;': 'const x = (y            ) .z;',
    'interface A { b: string }\nlet c;': '                         \nlet c;',
    'export type A<T> = T extends string ? 1 : 2;': '                                            ',
    'import type { A } from "a";': '                           ',
    'import { type A, b } from "a";': 'import {         b } from "a";',
    'f<number>(a ? b : c, d?.e, g ?? h);': 'f        (a ? b : c, d?.e, g ?? h);',
    'class A<T> extends B<T> implements C { private readonly d?: string = ""; abstract e(): void; static f!: number; }':
      'class A    extends B                 {                  d          = "";                   ; static f         ; }',
    'function f(this: Window, a: number): asserts a is 3 {}': 'function f(              a        )                 {}',
    'function f(a: string): string;\nfunction f(a: any) { return a }':
      '                              \nfunction f(a     ) { return a }',
    'const f = <T,>(a: T): a is T => a!;': 'const f =     (a   )         => a ;',
    'declare const x: number;': '                        ',
    'for (const [a, b] of c as [d, e][]) {}': 'for (const [a, b] of c            ) {}',
    'let a: { b: string } = { b: "x: number" };': 'let a                = { b: "x: number" };',
  };
  for (const [typed, plain] of Object.entries(cases))
    it(typed.replaceAll('\n', ' '), async () => {
      assert.equal(await stripTypes(typed), plain);
    });

  it('returns text without types unchanged, even if it has syntax errors', async () => {
    for (const text of ['', 'const a = b ? c : d;\n', 'return (', 'a?.[0] ?? !b'])
      assert.equal(await stripTypes(text), text);
  });
});

describe('the code task', () => {
  it("asks for code in the model's format", () => {
    const row = codeRow({ prompt, tests: 'x', language: 'ts', solution: '  return a;\n}\n' });
    assert.equal(code.prompt(row, 'plain'), prompt);
    assert.match(code.prompt(row, 'tagged'), /```typescript\nconst base = 1;[\s\S]*```\n\nRespond/);
    assert.equal(code.solution(row, 'plain'), '  return a;\n}\n');
    assert.match(
      code.solution(row, 'tagged') as string,
      /^<answer>\n```typescript\n[\s\S]*return a;\n}\n```\n<\/answer>$/,
    );
  });

  it('parses a file of problems, and reports an incomplete one', () => {
    const text = '=== one\nexport function one() {\n---\n  return 1;\n}\n---\ntest("x", () => {});\n\n';
    assert.deepEqual(parseProblems(text, 'k'), [
      {
        kind: 'k',
        prompt: 'export function one() {\n',
        solution: '  return 1;\n}\n',
        tests: 'test("x", () => {});',
        entry_point: 'one',
        language: 'typescript',
      },
    ]);
    assert.throws(() => parseProblems('=== two\na\n---\nb\n', 'k'), /problem two of k does not have three parts/);
  });
});
