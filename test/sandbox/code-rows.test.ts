import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { code } from '../../src/tasks/code/code.ts';
import { scoreRows } from '../../src/tasks/score.ts';

const score = async (rows: readonly { row: Record<string, unknown>; completion: string }[]) =>
  (
    await scoreRows(
      code,
      rows.map(({ row, completion }) => ({ row: code.parse(row), completion })),
      { format: 'plain' },
    )
  ).rows;

describe('rows of published data sets', () => {
  it('are graded by their tests, their unit tests or their text', async () => {
    const humanEval = {
      task_id: 'HumanEval/900',
      prompt: 'def g(n):\n    """Factorial."""\n',
      entry_point: 'g',
      test: 'def check(candidate):\n    assert candidate(3) == 6\n',
    };
    // A name of one letter, a function inside it, and code that prints after it.
    const nested =
      '    def factorial(k):\n        return 1 if k < 2 else k * factorial(k - 1)\n    return factorial(n)\n\nprint(g(5))\n';
    // An import that an editor of the data set moved into the head of the function.
    const moved = { ...humanEval, prompt: 'def g(n):\n    from math import factorial\n    """Factorial."""\n' };
    const infilling = {
      task_id: 'SingleLineInfilling/HumanEval/900/L1',
      entry_point: 'grow',
      prompt: 'def grow(x):\n    y = x + 1\n',
      suffix: '    return y * z\n',
      test: 'def check(candidate):\n    assert candidate(1) == 6\n',
    };
    const mbpp = {
      task_id: 901,
      text: 'Write a function to count vowels.',
      code: 'def count_vowels(s):\r\n    return 0',
      test_list: ['assert count_vowels("area") == 3', 'assert count_vowels(LONG) == 0'],
      test_setup_code: 'LONG = "zz"',
    };
    const script = {
      language: 'js',
      prompt: '//Counts.\nfunction f(n){\n',
      tests: "const assert = require('node:assert');\nfunction test() {\n  assert.deepEqual(f(2),[1, 2]);\n}\ntest();",
      stop_tokens: ['\nfunction '],
    };
    const typed = {
      task_id: 'TypeScript/1',
      prompt: 'const addAll = (list: number[]): number => {\n',
      test: 'console.assert(addAll([1, 2]) === 3)',
    };
    const safim = {
      prompt: 'n = int(input())\n{{completion}}\nprint(total)\n',
      eval_prompt: 'n = int(input())\n{{completion}}\nprint(total)\n',
      ground_truth: 'total = n * (n + 1) // 2',
      unit_tests: '[{"input": "4\\n", "output": ["10"]}, {"input": "1", "output": ["1\\n"]}]',
      lang: 'python',
    };
    const match = { prompt: 'x = b.', groundtruth: 'load(path)', right_context: '\n', metadata: { file: 'a.py' } };
    const cases: [Record<string, unknown>, string, boolean][] = [
      [humanEval, nested, true],
      [humanEval, '    return n\n', false],
      [moved, '    return factorial(n)\n', true],
      [infilling, '    z = 3\n', true],
      [infilling, '    z = 4\n', false],
      [mbpp, 'def count_vowels(s):\n    return sum(c in "aeiou" for c in s)\n', true],
      [mbpp, 'def count_vowels(s):\n    return 3\n', false],
      // A plain script may assign an undeclared variable, and export itself.
      [
        script,
        '  list = []; for (i = 1; i <= n; i++) list.push(i);\n  return list;\n}\nmodule.exports = f;\nfunction (',
        true,
      ],
      [script, '  return [1];\n}\n', false],
      [script, '  const factorial = (k) => k;\n  return [factorial(1), 2];\n}\nconsole.log(f(5));\n', true],
      [typed, '  return list.reduce((a: number, b: number) => a + b, 0);\n};\n', true],
      [safim, 'total = n * (n + 1) // 2\n', true],
      [safim, 'total = sum(range(n + 1))', true],
      [safim, 'total = n', false],
      [match, 'load( path )\nprint(x)', true],
      [match, 'load(file)', false],
    ];
    const graded = await score(cases.map(([row, completion]) => ({ row, completion })));
    for (const [index, [, completion, correct]] of cases.entries())
      assert.equal(graded[index]!.correct, correct, `${completion}: ${JSON.stringify(graded[index])}`);
  });

  it('whose tests cannot be run are a result of their own, which counts for nothing', async () => {
    const row = { prompt: 'def f(x):\n', tests: 'assert f(1) == 1', language: 'python' };
    const [right, none] = await score([
      { row, completion: '    return x\n' },
      { row: { ...row, tests: 'assert f(1) ==' }, completion: '    return x\n' },
    ]);
    assert.deepEqual([right!.correct, right!.error], [true, undefined]);
    assert.deepEqual([none!.correct, none!.reward, none!.scores['pass@1']!.weight], [false, 0, 0]);
    assert.match(none!.error!, /^The tests of f cannot be run: the tests did not start \(SyntaxError/);
  });
});
