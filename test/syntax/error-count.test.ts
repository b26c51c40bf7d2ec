import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { GapSyntax, syntaxErrors } from '../../src/syntax/error-count.ts';

describe('syntax errors', () => {
  it('are counted, including missing parts', async () => {
    const errors = (text: string, language = 'typescript') => syntaxErrors(language, text);
    assert.equal(await errors('const a: number = 1;\n'), 0);
    assert.ok((await errors('const a = (1;\nconst b = ]2;\n'))! >= 2);
    assert.ok((await errors('function f() {\n'))! >= 1);
    assert.equal(await errors('def f(:\n', 'klingon'), null);
  });

  it('order alternatives, and keep the order of equal ones', async () => {
    const gap = { prefix: 'const a = f(', suffix: '\nexport { a };\n' };
    assert.deepEqual(await new GapSyntax('typescript', gap).order(['1, {', '2);', '((', '3);']), [1, 3, 0, 2]);
    assert.deepEqual(await new GapSyntax('typescript', gap).order(['1);', '2);']), [0, 1]);
    const reported = { prefix: 'f();\n', suffix: '\ng();\n' };
    assert.deepEqual(
      await new GapSyntax('typescript', reported).order(['(', ' ', 'h();', '', 'i();']),
      [2, 4, 1, 3, 0],
    );
    assert.deepEqual(await new GapSyntax('klingon', gap).order(['((', '2);']), [0, 1]);
    const long = { ...gap, suffix: `\n${'// a\n'.repeat(50_000)}` };
    assert.deepEqual(await new GapSyntax('typescript', long).order(['', '((', '2);']), [1, 2, 0]);
    assert.deepEqual(await new GapSyntax('typescript', gap).order(['((']), [0]);
    assert.deepEqual(await new GapSyntax('typescript', gap).order([]), []);
  });

  it('leavesNoError holds for a text that fits, and for a text that is not parsed', async () => {
    const gap = { prefix: 'const a = f(', suffix: '\nexport { a };\n' };
    assert.equal(await new GapSyntax('typescript', gap).isClean('2);'), true);
    assert.equal(await new GapSyntax('typescript', gap).isClean('1, {'), false);
    assert.equal(await new GapSyntax('klingon', gap).isClean('(('), true);
    const long = { ...gap, suffix: `\n${'// a\n'.repeat(50_000)}` };
    assert.equal(await new GapSyntax('typescript', long).isClean('1, {'), true);
  });
});
