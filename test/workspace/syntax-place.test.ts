import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
