import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stripTypes } from '../../src/syntax/strip-types.ts';

describe('TypeScript without its types still runs', () => {
  const run = (script: string): unknown => new Function(script)();
  const cases: Readonly<Record<string, string>> = {
    'an arrow after a type of several lines':
      'const f = (a: number): {\n  x: number;\n} => ({ x: a });\nreturn f(7).x;',
    'an arrow after parameters and a type of several lines':
      'const f = (\n  a: number,\n): Map<\n  string,\n  (b: number) => number\n>[] | number => a;\nreturn f(7);',
    'abstract fields':
      'abstract class A { abstract readonly a: number; }\nclass B extends A { get a() { return 7; } }\nreturn new B().a;',
    'declared fields':
      'class A { a = 7 }\nclass B extends A {\n  declare a: number\n  private declare b: 3\n}\nreturn new B().a;',
    'a type before a line that would continue the statement':
      'const f = () => 7\nconst a = f\ntype A = 1\ninterface B {} // (\n(() => 8)()\nreturn a();',
    'members before a line that would continue them':
      "class A {\n  a = 3\n  private ['c'] = 7\n  d = 1\n  private f: 3\n  [b: string]: unknown\n  public *e() {}\n}\nreturn new A().c;",
  };
  for (const [name, text] of Object.entries(cases))
    it(`with ${name}`, async () => {
      const script = await stripTypes(text);
      assert.equal(run(script), 7, script);
      assert.equal(script.length, text.length);
      assert.equal(script.split('\n').length, text.split('\n').length);
    });

  it('adds no semicolon where none is needed', async () => {
    for (const text of ['a\ntype A = 1\nb', 'class A { a = 1\n private b = 2 }', 'switch (a) { case <any>(b): }'])
      assert.ok(!(await stripTypes(text)).includes(';'), text);
  });

  it('leaves parameter properties, which must be translated', async () => {
    for (const modifier of ['private', 'readonly', 'public readonly', 'override']) {
      const script = await stripTypes(`class A { constructor(${modifier} a: number) {} }`);
      assert.throws(() => run(script), SyntaxError);
    }
  });
});
