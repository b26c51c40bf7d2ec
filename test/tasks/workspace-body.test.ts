import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withBody } from '../../src/tasks/workspace/judge.ts';
import type { WorkspaceRow } from '../../src/tasks/workspace/row.ts';

describe('withBody', () => {
  const row = { language: 'typescript', prefix: 'class A {\n  f() {', suffix: '}\n\n  g() {}\n}\n' } as WorkspaceRow;

  for (const [title, body, kept] of [
    ['keeps a body that ends with its function', '\n    if (a) { return 1; }\n  ', undefined],
    ['drops the brace that closes the function', '\n    return 1;\n  }', '\n    return 1;\n  '],
    ['drops code after the function', '\n    return "}";\n  }\n\n  h() {\n    return 2;\n  ', '\n    return "}";\n  '],
    ['keeps a body with a syntax error', '\n    return (1;\n  ', undefined],
  ] as const)
    it(title, async () => {
      assert.equal(await withBody(row, body), row.prefix + (kept ?? body) + row.suffix);
    });

  it('ends a Python body at the first line that is not indented further than the function', async () => {
    const python = { ...row, language: 'python', prefix: 'def f(a):\n', suffix: '\n\ndef g(): pass\n' };
    const body = '    if a:\n        return "\\\nx"\n\n    return 1';
    assert.equal(await withBody(python, body), python.prefix + body + python.suffix);
    for (const following of ['\n\nx = 2', '\ndef h():\n    return 2', '\n\nclass A:\n    b = 1'])
      assert.equal(await withBody(python, body + following), python.prefix + body + python.suffix);
    // Text without indentation is not a body; it is kept, and the tests fail.
    assert.equal(await withBody(python, 'return 1'), `${python.prefix}return 1${python.suffix}`);
  });
});
