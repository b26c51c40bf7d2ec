import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bodyEnd, findFunctions, withoutBody } from '../../src/syntax/functions.ts';

/** Name and body of each function, by language. */
const cases: Readonly<Record<string, readonly [text: string, found: readonly (readonly [string, string])[]]>> = {
  typescript: [
    `export function a(x: number) { return x; }
const b = (y: string): string => { return y; };
class C<T> { #p = 1; push(v: T) { const q = () => { return 1; }; } get z() { return 1; } static s = () => { return 2; }; }
const o = { n: function () { return 2; } };
const short = (x) => x;
export default function () { return 1; }
declare function d(): void;
`,
    [
      ['a', ' return x; '],
      ['b', ' return y; '],
      ['C.push', ' const q = () => { return 1; }; '],
      ['C.z', ' return 1; '],
      ['C.s', ' return 2; '],
      ['n', ' return 2; '],
    ],
  ],
  javascript: [
    'function* g() { yield 1; }\nasync function h() {}\n',
    [
      ['g', ' yield 1; '],
      ['h', ''],
    ],
  ],
  python: [
    'class A:\n    def f(self, x):\n        """d"""\n        return x\n\ndef g(): return 1\n\n@deco\nasync def h(a):\n    def inner():\n        pass\n    return a\n',
    [
      ['A.f', '        return x'],
      ['g', 'return 1'],
      ['h', '    def inner():\n        pass\n    return a'],
    ],
  ],
  go: [
    'package a\nfunc F(a int) int { return a }\nfunc (s *S) M() { x() }\n',
    [
      ['F', ' return a '],
      ['M', ' x() '],
    ],
  ],
  rust: [
    'fn f(a: i32) -> i32 { a }\nimpl S { fn m(&self) { x() } }\n',
    [
      ['f', ' a '],
      ['S.m', ' x() '],
    ],
  ],
  java: ['class A { int f(int a) { return a; } interface I { void x(); } }\n', [['A.f', ' return a; ']]],
};

describe('the end of a body', () => {
  for (const [language, [text]] of Object.entries(cases))
    it(`is the function's end, with any text of the model after it, in ${language}`, async () => {
      for (const { start, end } of await findFunctions(language, text)) {
        assert.equal(await bodyEnd(language, text, start), end);
        const more = language === 'python' ? '\n\nx = f(1)\n' : '}\n\nx(1);\n';
        assert.equal(await bodyEnd(language, text.slice(0, end) + more + text.slice(end), start), end);
      }
    });

  it('is before the closing brace, not before a brace in a string or a comment', async () => {
    for (const [language, text] of [
      ['typescript', 'class A { f() {| return `}`; // }\n  @} }'],
      ['javascript', 'const f = () => {| if (a) { b(); } @};'],
      ['go', 'func f() int {| return len("}") @}\n'],
    ] as const) {
      const [start, end] = [text.indexOf('|'), text.indexOf('@') - 1];
      assert.equal(await bodyEnd(language, text.replace(/[|@]/g, ''), start), end);
    }
  });

  it('is null if the brace is missing, if no body begins there or if there is no grammar', async () => {
    assert.equal(await bodyEnd('typescript', 'function f() { return 1;\n', 14), null);
    assert.equal(await bodyEnd('typescript', 'const a = 1;\n', 7), null);
    assert.equal(await bodyEnd('python', 'a = 1\n', 2), null);
    assert.equal(await bodyEnd('klingon', 'f() { }', 5), null);
  });
});

describe('the functions of a file', () => {
  for (const [language, [text, expected]] of Object.entries(cases))
    it(`in ${language}`, async () => {
      const found = await findFunctions(language, text);
      assert.deepEqual(
        found.map(({ name, start, end }) => [name, text.slice(start, end)]),
        expected,
      );
    });

  it('are none if the text does not parse or the language is unknown', async () => {
    assert.deepEqual(await findFunctions('typescript', 'function a( { return 1; }'), []);
    assert.deepEqual(await findFunctions('cobol', 'PROCEDURE DIVISION.'), []);
  });

  it('have a line number, and their bodies can be removed', async () => {
    const [language, text] = ['python', cases.python![0]];
    const [, g, h] = await findFunctions(language, text);
    assert.deepEqual([g!.line, h!.line], [6, 9]);
    assert.ok(withoutBody(language, text, h!).endsWith('async def h(a):\n    pass\n'));
    assert.ok(withoutBody(language, text, g!).includes('def g(): pass\n'));
    const [a] = await findFunctions('rust', cases.rust![0]);
    assert.ok(withoutBody('rust', cases.rust![0], a!).startsWith('fn f(a: i32) -> i32 {\nunimplemented!();\n'));
  });

  it('do not include the tests of Rust, which are in the same file', async () => {
    const text = [
      'fn f() { g(); }',
      '#[test]\n#[ignore]\nfn t() { f(); }',
      '#[tokio::test]\nfn u() { f(); }',
      '#[cfg(test)]\nmod tests { fn helper() { f(); } }',
      '#[cfg(unix)]\nmod own { #[inline]\nfn g() { f(); } }',
    ].join('\n');
    assert.deepEqual(
      (await findFunctions('rust', text)).map(({ name }) => name),
      ['f', 'own.g'],
    );
  });
});
