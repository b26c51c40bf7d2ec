import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countdown, gradeCountdown } from '../../src/tasks/countdown.ts';
import { gradeGsm8k } from '../../src/tasks/gsm8k.ts';
import { gradeMath } from '../../src/tasks/math.ts';
import { gradeSudoku } from '../../src/tasks/sudoku4x4.ts';

const tolerant = { format: 'tagged', asReleased: false } as const;
const gsm8k = (answer: string, completion: string) => gradeGsm8k({ answer }, completion, tolerant);
const number = (content: string) => gsm8k('0', `<answer>${content}</answer>`).extracted;
const equalInMath = (answer: string, boxed: string) => gradeMath({ answer }, `\\boxed{${boxed}}`, tolerant).correct;

describe('a GSM8K answer', () => {
  it('is the one before the model continues with another question', () => {
    for (const next of [
      'Question: Ann has 3.\nAnswer: 7',
      'Q: Ann has 3',
      '**Problem 2:** Ann',
      '### Question 12: Ann',
      'Next question: Ann',
      'Example 2: Ann',
      'Question 2\nAnn',
      'user\nAnn',
      '[INST] Ann [/INST]',
      '<|user|>\nAnn',
      '</s>',
    ])
      for (const [own, other] of [
        ['#### 21', '#### 7'],
        ['<answer>21</answer>', '<answer>7</answer>'],
        ['\\boxed{21}', '\\boxed{7}'],
      ])
        assert.equal(gsm8k('21', `Thus 21.\n${own}\n\n${next}\n${other}`).correct, true, `${own} ${next}`);
    assert.equal(gsm8k('21', 'It is\n#### 21<|endoftext|>#### 7').correct, true);
    for (const text of [
      '#### 21 Question: Ann has 3. Answer: 7 #### 7',
      '<answer>21</answer> Question: <answer>7</answer>',
      'So \\boxed{21}. Problem 2: \\boxed{7}',
    ])
      assert.equal(gsm8k('21', text).correct, true, text);
    // A question that the model repeats before it answers is its own.
    assert.equal(gsm8k('7', 'Let me see.\nQuestion: how many?\n#### 7').extracted, '7');
    assert.equal(gsm8k('21', '#### Step 1\nAdd.\n#### 21\n#### Checking this').extracted, '21');
  });

  it('is read as a whole, in every notation of a number', () => {
    const forms: [string, number][] = [
      ['\\frac34', 0.75],
      ['\\dfrac{3}{4}', 0.75],
      ['\\frac3{10}', 0.3],
      ['2 000', 2000],
      ['2\u00a0000', 2000],
      ['2\u202f000', 2000],
      ['2\\,000', 2000],
      ['12 345 678', 12_345_678],
      ["1'250", 1250],
      ['1,00,000', 100_000],
      ['1.234.567', 1_234_567],
      ['1.234,5', 1234.5],
      ['2e3', 2000],
      ['2.5E-1', 0.25],
      ['3 \\times 10^2', 300],
      ['10^{4}', 10_000],
      ['7 x 10^3', 7000],
      ['\\frac{1,000}{4}', 250],
      ['3 1/4', 3.25],
      ['3\\frac14', 3.25],
      ['3½', 3.5],
      ['¾', 0.75],
      ['−4', -4],
      ['4 million', 4_000_000],
      ['3 hundred', 300],
      ['4 dozen', 48],
      ['4 dozens of eggs', 48],
      ['2 and 3/4', 2.75],
      ['1_250', 1250],
      ['about 2 000 dollars', 2000],
      ['so 3 1/4 cups', 3.25],
      ['It sums to 64 pens, in all.', 64],
      ['18 cm^2', 18],
      ['18 m2', 18],
      ['90^\\circ', 90],
      ['18 = the total', 18],
      ['\\$31.00.', 31],
      ['25%', 25],
      // English reading: a point separates decimals.
      ['60.000', 60],
    ];
    for (const [text, value] of forms) assert.equal(number(text), String(value), text);
    assert.equal(gsm8k('31', 'It costs $31.00.\n#### $31.00.').correct, true);
    assert.equal(gsm8k('0.3333333333333333', '<answer>1/3</answer>').correct, true);
    // A number of dozens may be what was asked for.
    assert.equal(gsm8k('4', '<answer>4 dozen</answer>').correct, true);
    assert.equal(gsm8k('40', '<answer>4 dozen</answer>').correct, false);
  });

  it('is none rather than a part of something else', () => {
    for (const text of [
      '1 8',
      '12,5',
      '3:45',
      '5k',
      '10-12',
      '3 * 6 dollars',
      '3 x 6',
      '2^10',
      '7 : 2',
      '18 ± 1',
      '18 \\pm 1',
      '-(5)',
      'minus 18',
      'negative 18',
      '1 and a half',
      '1 hundred and 5',
      '2 thousand 5 hundred',
      '3 dozen and 4',
      '2h30',
      '1e400',
      '\\sqrt{16}',
      '\\frac{x}{3}',
      '\\frac{1}{2}\\frac{1}{3}',
      '2024-01-05',
      '20 - (2)',
      '- 5',
      '7²',
      '10110_2',
      '3π',
      '\\cos 60^\\circ',
      '6 feet 2 inches',
      '3 hours and 20 minutes',
      '18 dollars and 50 cents',
      '12 out of 20',
      'between 3 and 5',
      '3 or 4',
      '$1.5M',
      '0.333...',
      '5/0',
      'x2',
      'many',
    ])
      assert.equal(number(text), null, text);
  });
});

describe('a MATH answer', () => {
  it('is in the last box that is complete', () => {
    const boxes: [string, string][] = [
      ['4', '\\boxed{4} hence the result is \\boxed{'],
      ['4', '\\boxed{4}, that is \\boxed{\\frac{1'],
      ['4', '\\boxed{4} and \\boxed{}'],
      ['4', '\\boxed 4'],
      ['4', 'so $\\boxed 4$.'],
      ['\\frac{1}{2}', 'so $x = \\boxed \\frac12$, as wanted'],
      ['4', '\\fbox{4}'],
      ['4', '\\boxed 4 as wanted'],
      ['4', '<answer>\\boxed{4} \\boxed{</answer>'],
    ];
    for (const [answer, text] of boxes) assert.equal(gradeMath({ answer }, text, tolerant).correct, true, text);
  });

  it('equals another of the same value or the same parts', () => {
    const pairs: [string, string][] = [
      ['(2,\\frac{7}{2})', '(2,3.5)'],
      ['\\left( 2, \\pi/3 \\right)', '(2,\\frac{\\pi}{3})'],
      ['\\frac{\\pi}{3}', '\\pi/3'],
      ['\\frac{\\sqrt{5}}{3}', '\\sqrt5/3'],
      ['\\frac{a+b}{2}', '(a+b)/2'],
      ['\\frac{1}{\\sqrt{2}}', '\\frac{\\sqrt{2}}{2}'],
      ['x^2+2x+1', '(x+1)^2'],
      ['2^{10}', '1024'],
      ['\\binom{5}{2}', '10'],
      ['4!', '24'],
      ['\\frac{5}{2}', '2\\frac12'],
      ['\\frac13', '0.\\overline{3}'],
      ['[0,\\frac12)', '[0, 0.5)'],
      ['(-\\infty,2]\\cup[5,\\infty)', '[5,\\infty) \\cup (-\\infty,2]'],
      ['[1,3]', 'x \\in [1,3]'],
      ['(0,1]', '0 < x \\le 1'],
      ['[2,\\infty)', 'x \\geq 2'],
      ['(-\\infty,2)', '2 > t'],
      ['(1,2)', '(1; 2)'],
      ['\\frac{1}{2}', '\\cos 60^\\circ'],
      ['1', '\\tan(45^{\\circ})'],
      ['2\\pi', '2 \\cdot \\pi'],
      ['10110_2', '10110_{2}'],
      ['10110_2', '(10110)_{\\text{two}}'],
      ['48', '4 dozen'],
      ['7', '7 m/s'],
      ['\\text{even}', 'Even'],
      ['\\{1,2,3\\}', '\\{3, 1, 2\\}'],
      ['\\{\\}', '\\emptyset'],
      ['1,-2', '-2, 1'],
      ['1,-2', 'x = 1 \\text{ or } x = -2'],
      ['3+\\sqrt{2}, 3-\\sqrt{2}', '3\\pm\\sqrt2'],
      ['x \\le 4', 'x \\leq 4'],
      ['\\begin{pmatrix}1\\\\0.5\\end{pmatrix}', '\\begin{bmatrix} 1 \\\\ \\frac12 \\end{bmatrix}'],
      ['\\text{(C)}', 'C'],
      ['\\text{(C)}', '\\textbf{(C) } 12'],
      ['C', '(C)'],
      ['7', '7\\,\\mathrm{kg}'],
      ['7', '7 \\text{ kg}'],
      ['7\\text{ kg}', '7\\,\\mathrm{kg}'],
      ['7', '7\\ \\text{cm}^2'],
      ['7', '7 cm'],
      ['45', '45^{\\circ}'],
      ['12', '\\$12'],
      ['10{,}000', '10000'],
      ['\\frac{1}{2}', '{1 \\over 2}'],
      ['6', '\\dbinom{4}{2}'],
      ['3', '\\lvert -3 \\rvert'],
      ['\\frac13', '0.\\bar{3}'],
      ['\\frac{\\pi}{4}', '\\tan^{-1} 1'],
      ['x^2', 'x²'],
      ['\\mathbb{R}', '(-\\infty, \\infty)'],
      ['\\text{odd}', '\\text{odd}.'],
    ];
    for (const [answer, boxed] of pairs) {
      assert.equal(equalInMath(answer, boxed), true, `${boxed} is ${answer}`);
      assert.equal(equalInMath(boxed, answer), true, `${answer} is ${boxed}`);
    }
  });

  it('differs where value, order, brackets or unit do', () => {
    const pairs: [string, string][] = [
      ['\\frac{1}{4}', '\\frac{1}{5}'],
      ['(1,2)', '(2,1)'],
      ['(1,2)', '[1,2]'],
      ['(1,2)', '\\{1,2\\}'],
      ['[0,1)', '[0,1]'],
      ['\\{1,2\\}', '\\{1,1,2\\}'],
      ['1,2', '1'],
      ['2\\pi', '\\pi^2'],
      ['x^2', '2x'],
      ['|x|', 'x'],
      ['\\sqrt{x^2}', 'x'],
      ['2^{64}', '2^{64}+1'],
      ['10^{12}', '1000000000001'],
      ['3.14159', '\\pi'],
      ['x \\le 4', 'x < 4'],
      ['C', '(D)'],
      ['7\\,\\mathrm{kg}', '7\\,\\mathrm{g}'],
      ['7', '7x'],
      ['10110_2', '22'],
      ['10110_2', '10110_3'],
      ['(0,1)', '0 < x \\le 1'],
      ['[2,\\infty)', 'x > 2'],
      ['\\frac{\\pi}{2}', '90^\\circ'],
      ['2\\pi', '6.28'],
      ['12', '1/2'],
      ['\\text{odd}', '\\text{even}'],
      ['5', ''],
    ];
    for (const [answer, boxed] of pairs) assert.equal(equalInMath(answer, boxed), false, `${boxed} is not ${answer}`);
  });

  it('is graded quickly, however long or deep it is', () => {
    const started = performance.now();
    for (const text of [
      '('.repeat(50_000),
      `\\frac{${'('.repeat(400)}`,
      '1+'.repeat(400),
      'a'.repeat(900),
      `5${' a'.repeat(450)}!`,
      ' '.repeat(50_000),
      `${'\\text{ a}'.repeat(100)}!`,
      '9!!!!!!!!!!',
      '9^9^9^9^9',
    ]) {
      assert.equal(equalInMath('\\frac{12345}{6789}', text), false);
      gsm8k('3', `<answer>${text}</answer>`);
    }
    assert.ok(performance.now() - started < 10_000);
  });
});

describe('answers of games', () => {
  const row = countdown.parse({ numbers: [2, 6, 7], target: 26 });
  const solved = (answer: string) => gradeCountdown(row, `<answer>${answer}</answer>`, tolerant).correct;

  it('of Countdown may leave out the sign of a product, and write line ends out', () => {
    for (const answer of [
      '2(6+7)',
      '(6+7)2',
      '2 (7 + 6)',
      '2\\left(6+7\\right)',
      '2 x (6+7)',
      '2[6+7]',
      '26 = 2*(6+7)',
      '2⋅(6+7)',
      '2•(6+7)',
      '2 \\* (6+7)',
      '２*（6＋7）',
      '2*(6+7).',
      'Answer: 2*(6+7)',
      'The expression is 2*(6+7) = 26',
    ])
      assert.equal(solved(answer), true, answer);
    assert.equal(solved('6+7 = 13\\n2*(6+7)\\n'), true);
    assert.equal(solved('2×(6−(−7))'), true);
    for (const answer of ['02*(6+7)', '26', '6+7*2', '2/(6-6)', '2(6+7', '2(6)(7)'])
      assert.equal(solved(answer), false, answer);
    assert.equal(
      gradeCountdown({ numbers: [4, 8, 3], target: 4 }, '<answer>8/(4-4)</answer>', tolerant).correct,
      false,
    );
  });

  it('of Sudoku may write line ends out, or use a LaTeX array', () => {
    const [puzzle, solution] = ['0310200404001043', '4312213434211243'];
    const rows = solution.match(/..../g) as string[];
    for (const answer of [
      rows.join('\\n'),
      rows.join('<br>'),
      `\\begin{array}{cccc} ${rows.map((cells) => [...cells].join(' & ')).join(' \\\\ ')} \\end{array}`,
      rows.map((cells, index) => `Row ${index + 1}: ${cells}`).join('\n'),
      `[${rows.map((cells) => `[${[...cells].join(', ')}]`).join(', ')}]`,
      rows.map((cells) => `| ${[...cells].join(' | ')} |`).join('\n'),
      rows.join('-'),
      rows.join(' / '),
      rows.map((cells, index) => `${index + 1}. ${cells}`).join('\n'),
      rows.map((cells, index) => `Row ${index + 1} - ${cells}`).join('\n'),
      rows.map((cells, index) => `Row ${index + 1}: ${cells}`).join('\\n'),
      rows.map((cells, index) => `| **Row ${index + 1}** | ${[...cells].join(' | ')} |`).join('\n'),
      `| C1 | C2 | C3 | C4 |\n|---|---|---|---|\n${rows.map((cells) => `| ${[...cells].join(' | ')} |`).join('\n')}`,
      rows.map((cells, index) => `${['First', 'Second', 'Third', 'Fourth'][index]} row: ${cells}`).join('\n'),
      `{"grid": ${JSON.stringify(rows.map((cells) => [...cells].map(Number)))}}`,
      `┌────┐\n${rows.map((cells) => `│${cells}│`).join('\n')}\n└────┘`,
    ])
      assert.equal(
        gradeSudoku({ puzzle, solution }, `<answer>${answer}</answer>`, tolerant).extracted,
        solution,
        answer,
      );
  });
});
