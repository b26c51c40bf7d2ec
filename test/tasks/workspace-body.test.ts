import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withBody } from '../../src/tasks/workspace/judge.ts';
import type { WorkspaceRow } from '../../src/tasks/workspace/row.ts';

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

  it('of Python ends where what follows is indented no further', async () => {
    const python = { ...row, language: 'python', prefix: 'def f(a):\n', suffix: '\n\ndef g(): pass\n' };
    const body = '    if a:\n        return "\\\nx"\n\n    return 1';
    assert.equal(await withBody(python, body), python.prefix + body + python.suffix);
    for (const more of ['\n\nx = 2', '\ndef h():\n    return 2', '\n\nclass A:\n    b = 1'])
      assert.equal(await withBody(python, body + more), python.prefix + body + python.suffix);
    // A body without indentation is none, and stays for the tests to fail.
    assert.equal(await withBody(python, 'return 1'), `${python.prefix}return 1${python.suffix}`);
  });
});
