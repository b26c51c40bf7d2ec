import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { leavesNoError, orderBySyntax, syntaxErrors } from '../../src/syntax/error-count.ts';

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
    assert.deepEqual(await orderBySyntax('typescript', gap, ['1, {', '2);', '((', '3);']), [1, 3, 0, 2]);
    assert.deepEqual(await orderBySyntax('typescript', gap, ['1);', '2);']), [0, 1]);
    const said = { prefix: 'f();\n', suffix: '\ng();\n' };
    assert.deepEqual(await orderBySyntax('typescript', said, ['(', ' ', 'h();', '', 'i();']), [2, 4, 1, 3, 0]);
    assert.deepEqual(await orderBySyntax('klingon', gap, ['((', '2);']), [0, 1]);
    const long = { ...gap, suffix: `\n${'// a\n'.repeat(50_000)}` };
    assert.deepEqual(await orderBySyntax('typescript', long, ['', '((', '2);']), [1, 2, 0]);
    assert.deepEqual(await orderBySyntax('typescript', gap, ['((']), [0]);
    assert.deepEqual(await orderBySyntax('typescript', gap, []), []);
  });

  it('leavesNoError holds for a text that fits, and for a text that is not parsed', async () => {
    const gap = { prefix: 'const a = f(', suffix: '\nexport { a };\n' };
    assert.equal(await leavesNoError('typescript', gap, '2);'), true);
    assert.equal(await leavesNoError('typescript', gap, '1, {'), false);
    assert.equal(await leavesNoError('klingon', gap, '(('), true);
    const long = { ...gap, suffix: `\n${'// a\n'.repeat(50_000)}` };
    assert.equal(await leavesNoError('typescript', long, '1, {'), true);
  });
});
