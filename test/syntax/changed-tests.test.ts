import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withChangedExpectations } from '../../src/syntax/expectations.ts';
import { withReversedTests } from '../../src/syntax/test-order.ts';

describe('changed expectations', () => {
  for (const [language, before, after] of [
    ['javascript', "it('a', () => assert.equal(f(2), 4));", "it('a', () => assert.equal(f(2), 5));"],
    [
      'typescript',
      "test('a', () => { expect(f()).toEqual({ b: ['x'] }); });",
      "test('a', () => { expect(f()).toEqual({ b: ['x~'] }); });",
    ],
    [
      'javascript',
      "it('a', () => assert.deepEqual(f(1), g(2)));",
      "it('a', () => assert.deepEqual(f(1), ['changed', g(2)]));",
    ],
    ['javascript', "it('a', () => expect(f()).to.equal(true));", "it('a', () => expect(f()).to.equal(false));"],
    ['python', 'def test_a():\n    assert f(1) == -2\n', 'def test_a():\n    assert f(1) == -3\n'],
    [
      'python',
      'def test_a(self):\n    self.assertEqual(f(1), want)\n',
      'def test_a(self):\n    self.assertEqual(f(1), ("changed", want))\n',
    ],
    ['rust', '#[test]\nfn a() { assert_eq!(f(1), 2); }\n', '#[test]\nfn a() { assert_eq!(f(1), 3); }\n'],
  ] as const)
    it(`${language}: ${before.split('\n').at(language === 'javascript' || language === 'typescript' ? 0 : 1)}`, async () => {
      assert.equal(await withChangedExpectations(language, before), after);
    });

  it('are one in each test, and none where nothing but equality could tell', async () => {
    const two =
      "it('a', () => { assert.equal(f(1), 1); assert.equal(f(2), 2); });\nit('b', () => assert.equal(f(3), 3));\n";
    const changed = (await withChangedExpectations('javascript', two))!;
    assert.equal([...changed].filter((letter, index) => letter !== two[index]).length, 2);
    for (const other of [
      'assert.ok(f(1) > 2)',
      'expect(f(1)).not.toBe(2)',
      'assert.throws(() => f(1), /2/)',
      'Object.is(f(1), 2)',
    ])
      assert.equal(await withChangedExpectations('javascript', `it('a', () => ${other});`), null, other);
  });
});

describe('tests in the reverse order', () => {
  it('keep everything else in its place, in each group', async () => {
    const text =
      "const a = 1;\ndescribe('x', () => {\n  // one\n  it('1', () => {});\n  it('2', () => {});\n});\nit('3', () => {});\n";
    const reversed =
      "const a = 1;\nit('3', () => {});\ndescribe('x', () => {\n  // one\n  it('2', () => {});\n  it('1', () => {});\n});\n";
    assert.equal(await withReversedTests('typescript', text), reversed);
    assert.equal(await withReversedTests('typescript', "it('1', () => {});\n"), null);
    const python = 'def test_a():\n    pass\n\n\ndef helper():\n    pass\n\n\ndef test_b():\n    pass\n';
    assert.equal(
      await withReversedTests('python', python),
      python.replace('test_a', 'X').replace('test_b', 'test_a').replace('X', 'test_b'),
    );
  });
});
