import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../src/platform/random.ts';
import { readArithmetic } from '../../src/tasks/arithmetic.ts';

describe('readArithmetic', () => {
  // All trees of three numbers and two operators, also with redundant parentheses. The expected values are computed
  // from the trees.
  it('returns the value of every small expression', () => {
    const operators = ['+', '-', '*', '/'] as const;
    const numbers = [1, 2, 3, 7, 0];
    let checked = 0;
    const apply = (left: number, operator: (typeof operators)[number], right: number): number =>
      ({ '+': left + right, '-': left - right, '*': left * right, '/': right === 0 ? Number.NaN : left / right })[
        operator
      ];
    for (const a of numbers) {
      for (const b of numbers) {
        for (const c of numbers) {
          for (const first of operators) {
            for (const second of operators) {
              const trees: [string, number][] = [
                [`(${a}${first}${b})${second}${c}`, apply(apply(a, first, b), second, c)],
                [`${a} ${first} ( ${b}${second}${c} )`, apply(a, first, apply(b, second, c))],
                [
                  `${a}${first}${b}${second}${c}`,
                  '*/'.includes(second) && '+-'.includes(first)
                    ? apply(a, first, apply(b, second, c))
                    : apply(apply(a, first, b), second, c),
                ],
                [`-${a}${first}-(${b})${second}+${c}`, valueByPrecedence(-a, first, -b, second, c)],
              ];
              for (const [text, value] of trees) {
                const read = readArithmetic(text);
                if (Number.isNaN(value)) assert.equal(read, null, text);
                else {
                  assert.equal(read?.value, value, text);
                  assert.deepEqual(read?.literals, [a, b, c], text);
                }
                checked++;
              }
            }
          }
        }
      }
    }
    assert.equal(checked, 125 * 16 * 4);

    function valueByPrecedence(
      x: number,
      first: (typeof operators)[number],
      y: number,
      second: (typeof operators)[number],
      z: number,
    ): number {
      return '*/'.includes(second) && '+-'.includes(first)
        ? apply(x, first, apply(y, second, z))
        : apply(apply(x, first, y), second, z);
    }
  });

  // The expected values come from JavaScript's own parser, for the syntax that both grammars share.
  it('agrees with JavaScript on random text', () => {
    const random = new Random(5, 'arithmetic');
    let accepted = 0;
    for (let round = 0; round < 20_000; round++) {
      const length = 1 + random.integer(9);
      const text = Array.from({ length }, () => random.pick([...'12034+-*/()().'])).join('');
      // JavaScript has comments, increments, powers, octal literals and calls; this grammar does not.
      if (/\/\/|\/\*|\+\+|--|\*\*|\d\(|\)\(|\)\d|\)\.|\.\(|(?<![\d.])0\d/.test(text)) continue;
      const read = readArithmetic(text);
      let expected: number | null;
      try {
        expected = new Function(`'use strict'; return ${text};`)() as number;
      } catch {
        expected = null;
      }
      if (expected === null || !Number.isFinite(expected) || typeof expected !== 'number')
        assert.equal(read, null, text);
      else if (read === null) assert.match(text, /\//, `${text} was rejected`);
      else {
        accepted++;
        assert.ok(
          Object.is(read.value, expected) || read.value === expected,
          `${text}: ${read.value} is not ${expected}`,
        );
      }
    }
    assert.ok(accepted > 1000, `only ${accepted} texts were expressions`);
  });

  it('returns null for text that is not an expression', () => {
    const texts = [
      '',
      ' ',
      '()',
      '1+',
      '*2',
      '(1',
      '1)',
      '1 2',
      '1.2.3',
      '.',
      '2(3)',
      '05',
      '007+1',
      '1e5',
      '0x10',
      'x',
      '1,2',
      '2**3',
      '7//2',
      '1+2;',
      '１',
    ];
    for (const text of texts) assert.equal(readArithmetic(text), null, JSON.stringify(text));
  });

  it('returns null for a division by zero anywhere in the expression', () => {
    for (const text of ['1/0', '0/0', '1/(1/0)', '5*(3/(2-2))', '1/-0', '2/(1-1.0)'])
      assert.equal(readArithmetic(text), null, text);
  });

  it('handles very long and deeply nested text', () => {
    const deep = 100_000;
    for (const text of [
      '('.repeat(deep),
      `${'('.repeat(deep)}1${')'.repeat(deep)}`,
      `${'-'.repeat(deep)}1`,
      '1'.repeat(deep),
      '1+'.repeat(deep),
      ' '.repeat(deep),
      '2**'.repeat(deep),
    ]) {
      assert.equal(readArithmetic(text), null);
      assert.equal(readArithmetic(text, true), null);
    }
    assert.equal(readArithmetic(`${'1+'.repeat(deep)}1`)?.value, deep + 1);
    assert.equal(readArithmetic(`${'('.repeat(200)}1${')'.repeat(200)}`)?.value, 1);
  });

  it("follows Python's grammar on request", () => {
    const cases: [string, number | null][] = [
      ['2**3', 8],
      ['-2**2', -4],
      ['2**-1', 0.5],
      ['2**3**2', 512],
      ['(2**3)**2', 64],
      ['7//2', 3],
      ['-7//2', -4],
      ['7//-2', -4],
      ['8//3*2', 4],
      ['7//0', null],
      ['0**-1', null],
      ['1\n+2', null],
      ['(1\n+2)', 3],
      ['\n1+2\n', 3],
      ['00', 0],
      ['05', null],
      ['* *2', null],
      ['2* *3', null],
    ];
    for (const [text, value] of cases)
      assert.equal(readArithmetic(text, true)?.value ?? null, value, JSON.stringify(text));
  });
});
