import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withBody } from '../../src/tasks/workspace/judge.ts';
import type { WorkspaceRow } from '../../src/tasks/workspace/row.ts';
import { closingBrace } from '../../src/workspace/syntax-place.ts';

describe('the brace that closes another', () => {
  for (const [language, text, closing] of [
    ['typescript', 'class A { f() |{ return `}`; // }\n  } }', '} }'],
    ['javascript', 'const f = () => |{ if (a) { b(); } };', '};'],
    ['go', 'func f() int |{ return len("}") }\n', '}\n'],
    ['rust', 'fn f() -> u8 |{ if a { 1 } else { 2 } }\n', '}\n'],
    ['java', 'class A { int f() |{ return 1; } }', '} }'],
  ] as const)
    it(`is found in ${language}`, async () => {
      const offset = text.indexOf('|');
      const whole = text.replace('|', '');
      assert.equal(await closingBrace(language, whole, offset), whole.length - closing.length);
    });

  it('is nowhere where it is missing, where there is no brace and where there is no grammar', async () => {
    assert.equal(await closingBrace('typescript', 'function f() { return 1;\n', 13), null);
    assert.equal(await closingBrace('typescript', 'const a = 1;\n', 6), null);
    assert.equal(await closingBrace('klingon', 'f() { }', 4), null);
  });
});

describe('a body in its file', () => {
  const row = { language: 'typescript', prefix: 'class A {\n  f() {', suffix: '}\n\n  g() {}\n}\n' } as WorkspaceRow;

  for (const [what, body, kept] of [
    ['is all there where it ends with its function', '\n    if (a) { return 1; }\n  ', undefined],
    ['ends with the brace that closes its function', '\n    return 1;\n  }', '\n    return 1;\n  '],
    ['has nothing of what follows', '\n    return "}";\n  }\n\n  h() {\n    return 2;\n  ', '\n    return "}";\n  '],
    ['is all there where it is broken', '\n    return (1;\n  ', undefined],
  ] as const)
    it(what, async () => {
      assert.equal(await withBody(row, body), row.prefix + (kept ?? body) + row.suffix);
    });

  it('of a language without braces is left as it is', async () => {
    const python = { ...row, language: 'python', prefix: 'def f():', suffix: '\n\ndef g(): pass\n' };
    assert.equal(
      await withBody(python, '\n    return 1\n\nx = 2'),
      'def f():\n    return 1\n\nx = 2\n\ndef g(): pass\n',
    );
  });
});
