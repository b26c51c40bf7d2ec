import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gradeCountdown } from '../../src/tasks/countdown.ts';
import { gradeGsm8k } from '../../src/tasks/gsm8k.ts';
import { gradeMath } from '../../src/tasks/math.ts';
import { equalAsReleased, mathNormalForm } from '../../src/tasks/math-normal-form.ts';
import { boxedAsReleased } from '../../src/tasks/released/boxed.ts';
import { gradeSudoku } from '../../src/tasks/sudoku4x4.ts';

const released = { format: 'tagged', asReleased: true } as const;

describe('the released evaluator: boxed answers', () => {
  it('applies the extraction rules in order', () => {
    const cases: [string, string | null][] = [
      ['a \\boxed{5} b', '5'],
      ['\\boxed{1} then \\boxed{2}', '2'],
      ['\\boxed{\\frac{1}{2}}', '\\frac{1}{2}'],
      ['$\\boxed 7$ or $\\boxed 8$ end', '8'],
      // A box with a space anywhere takes precedence over a later box with braces.
      ['\\boxed 7$ \\boxed{9}', '7'],
      ['\\fbox{5}', '\\fbox{5}'],
      ['\\fbox{5} \\boxed{6}', '6'],
      ['no box', 'no box'],
      ['', ''],
      ['\\boxed{5', null],
      ['\\boxed{1} \\boxed{2', null],
      ['\\boxed{}', ''],
      ['\\boxed5{6}', '\\boxed5{6}'],
      ['\\boxed', null],
    ];
    for (const [text, answer] of cases) assert.equal(boxedAsReleased(text), answer, text);
  });
});

describe('the released evaluator: Countdown', () => {
  const grade = (text: string, numbers = [30, 100, 93], target = 23) =>
    gradeCountdown({ numbers, target }, text, released);

  it('reads the box; if that fails, the first tagged answer; otherwise the whole text', () => {
    assert.equal(grade('\\boxed{93+30-100}').correct, true);
    assert.equal(grade('93+30-100').correct, true);
    // Without a box, the answer is the whole text including its tags,
    assert.equal(grade('<answer>93+30-100</answer>').correct, false);
    assert.equal(grade('<answer>93+30-100</answer>').extracted, '<answer>93+30-100</answer>');
    // … except that an equals sign ends the expression.
    assert.equal(grade('<answer>93+30-100=23</answer>').correct, true);
    assert.equal(grade('<answer>93+30-100</answer> \\boxed{').correct, true);
    assert.equal(grade('<answer>93+30-100</answer><answer>1</answer> \\boxed{').extracted, '93+30-100');
    assert.equal(grade('\\boxed{}<answer>93+30-100</answer>').correct, false);
    assert.equal(grade('\\boxed{93+30-100} <answer>1</answer>').correct, true);
  });

  it('replaces LaTeX operators by plain ones, and keeps the text before the first result', () => {
    assert.equal(grade('\\boxed{100 \\div 4 \\times 2}', [100, 4, 2], 50).correct, true);
    assert.equal(grade('\\boxed{100 / 4 \\cdot 2 = 50}', [100, 4, 2], 50).correct, true);
    assert.equal(grade('\\boxed{23=93+30-100 = 23}').extracted, '23');
    // Everything after the first equals sign is dropped, including the blank before it.
    assert.equal(grade('\\boxed{x = 93+30-100 = 23}').extracted, '');
    assert.equal(grade('\\boxed{93+30=123, 123-100=23}').extracted, '93+30');
    assert.equal(grade('\\boxed{93+30-100=x}').extracted, '93+30-100=x');
    assert.equal(grade('\\boxed{93+30-100 =}').correct, false);
  });

  it('requires exactly the listed numbers, only allowed characters, and the target', () => {
    assert.deepEqual(grade('\\boxed{93+30+100}').scores, {
      solved: { value: 0, weight: 1 },
      format: { value: 1, weight: 1 },
    });
    assert.deepEqual(grade('\\boxed{93+30}').scores, {
      solved: { value: 0, weight: 1 },
      format: { value: 0, weight: 1 },
    });
    assert.equal(grade('\\boxed{[93+30]-100}').correct, false);
    assert.equal(grade('\\boxed{93/(30-30)}', [93, 30, 30], 0).correct, false);
    // As in Python: powers, floor division, and the digits of a decimal as two numbers.
    assert.equal(grade('\\boxed{2**3}', [2, 3], 8).correct, true);
    assert.equal(grade('\\boxed{7//2}', [7, 2], 3).correct, true);
    assert.equal(grade('\\boxed{1.5*2}', [1, 5, 2], 3).correct, true);
    assert.equal(grade('\\boxed{05+1}', [5, 1], 6).correct, false);
    assert.equal(grade('\\boxed{\\frac{100}{4}}', [100, 4], 25).correct, false);
  });
});

describe('the released evaluator: Sudoku', () => {
  const row = { puzzle: '0310200404001043', solution: '4312213434211243' };
  const grade = (text: string) => gradeSudoku(row, text, released);

  it('tries its patterns in order', () => {
    const { solution } = row;
    const cases: [string, string | null][] = [
      // A fence with digits after <answer>, even after the closing tag.
      [`<answer>1<answer>\n\`\`\`\n4312 2134\n3421 1243\n\`\`\``, solution],
      [`<answer>5</answer> \`\`\`${solution}\`\`\``, solution],
      [`<answer>\`\`\`text\n${solution}\`\`\`</answer>`, '```text431221343'],
      // After the first <answer>, up to the first closing tag.
      [`<answer>${solution}</answer><answer>1</answer>`, solution],
      [`<answer>${solution}<|eot_id|>`, solution],
      [`<answer>${solution}<|endoftext|> more</answer>`, solution],
      // After </answer>, if the answer is blank.
      [`<answer> </answer> ${solution}<|eot_id|>1`, solution],
      [`</answer>\n${solution}`, solution],
      // 16 digits before </answer>, if nothing follows it.
      [`grid ${solution}\n</answer>`, solution],
      [`99${solution}</answer>`, solution],
      // 16 digits alone.
      [`it is ${solution}, sure`, solution],
      [`${solution} then ${'1'.repeat(16)}`, solution],
      [`<answer>${solution}`, solution],
      [`x${solution}`, null],
      [`1${solution}`, null],
      ['', null],
      ['<answer>43</answer>', '4300000000000000'],
      [`<answer>a${solution}</answer>`, `a${solution.slice(0, 15)}`],
    ];
    for (const [text, extracted] of cases) assert.equal(grade(text).extracted, extracted, text);
  });

  it('counts the correct empty cells and ignores changed givens', () => {
    assert.deepEqual(grade(`<answer>${row.solution}</answer>`), {
      correct: true,
      extracted: row.solution,
      scores: { cell_accuracy: { value: 8, weight: 8 }, solved: { value: 1, weight: 1 } },
    });
    assert.equal(grade(`<answer>${row.solution}999</answer>`).correct, true);
    assert.equal(grade('<answer>4912</answer>').scores.cell_accuracy.value, 2);
    assert.equal(grade('').scores.cell_accuracy.value, 0);
    assert.equal(
      gradeSudoku({ puzzle: row.solution, solution: row.solution }, `<answer>${row.solution}</answer>`, released)
        .correct,
      false,
    );
  });
});

describe('the released evaluator: GSM8K', () => {
  it('reads boxes first, then tagged answers', () => {
    const cases: [string, string | null][] = [
      ['\\boxed{18}', '18'],
      ['\\boxed{} \\boxed{...} \\boxed{.} \\boxed{18} \\boxed{19}', '18'],
      ['\\boxed{x} \\boxed{18}', '18'],
      ['\\boxed{12 of 18}', '12'],
      ['\\boxed{1,024}', '1'],
      ['\\boxed{\\frac{3}{4}}', '3'],
      ['\\boxed{ 1e3 }', '1000'],
      ['\\boxed{1_000}', '1000'],
      ['\\boxed{1\n8} \\boxed{19}', '19'],
      ['\\boxed{inf} <answer>18</answer>', 'Infinity'],
      ['\\boxed{18 <answer>19</answer>', '19'],
      ['<answer>12 of 18</answer>', '18'],
      ['<answer>18</answer><answer>19</answer>', '18'],
      ['<answer>none</answer><answer>19</answer>', '19'],
      ['<answer></answer><answer>5 or 19</answer>', '19'],
      ['<answer>about 19', '19'],
      ['it is 5 or 19', '19'],
      ['it is 19</answer> 20', '19'],
      ['<answer>-18.50 $</answer>', '-18.5'],
      ['10-5', '-5'],
      ['nothing', null],
      ['', null],
    ];
    for (const [text, extracted] of cases)
      assert.equal(gradeGsm8k({ answer: '18' }, text, released).extracted, extracted, text);
    assert.equal(gradeGsm8k({ answer: '18' }, '\\boxed{18.0}', released).correct, true);
    assert.equal(gradeGsm8k({ answer: '1,024' }, '<answer>1024</answer>', released).correct, true);
    assert.equal(gradeGsm8k({ answer: '18' }, '\\boxed{nan}', released).correct, false);
  });
});

describe('the released evaluator: MATH', () => {
  it('reads the box, or the first tagged answer if the box is empty', () => {
    const cases: [string, string | null][] = [
      ['\\boxed{5}<answer>6</answer>', '5'],
      ['\\boxed{}<answer> 6 </answer><answer>7</answer>', '6'],
      ['\\boxed{5<answer>6</answer>', '6'],
      ['\\boxed{5', null],
      ['\\boxed{}', ''],
      ['<answer>6</answer>', '<answer>6</answer>'],
    ];
    for (const [text, extracted] of cases)
      assert.equal(gradeMath({ answer: '6' }, text, released).extracted, extracted, text);
    assert.equal(gradeMath({ answer: '6' }, '6', released).correct, true);
    assert.equal(gradeMath({ answer: '6' }, '\\boxed{5', released).correct, false);
  });

  it('normalises both sides', () => {
    const cases: [string, string][] = [
      ['a\nb', 'ab'],
      ['1\\!000', '1000'],
      ['\\left(1,2\\right)', '(1,2)'],
      ['90^\\circ', '90'],
      ['90^{\\circ}', '90'],
      ['\\$5', '5'],
      ['50\\%', '50'],
      ['5\\text{ cm}', '5'],
      ['5\\text{cm}', '5\\text{cm}'],
      ['a\\\\b', 'a\\b'],
      ['\\tfrac{1}{2}', '\\frac{1}{2}'],
      ['\\dfrac{1}{2}', '\\frac{1}{2}'],
      ['.5', '\\frac{1}{2}'],
      ['0.5', '\\frac{1}{2}'],
      ['{.5}', '{0.5}'],
      ['a .5', 'a0.5'],
      ['k = 5', '5'],
      ['ab=5', '5'],
      ['abc=5', 'abc=5'],
      ['x=y=5', 'x=y=5'],
      ['\\sqrt3', '\\sqrt{3}'],
      ['\\sqrt{3}+\\sqrt5x', '\\sqrt{3}+\\sqrt{5}x'],
      ['\\frac12', '\\frac{1}{2}'],
      ['\\frac1{72}', '\\frac{1}{72}'],
      ['\\frac12x', '\\frac{1}{2}x'],
      ['\\frac1', '\\frac1'],
      ['1 / 2', '\\frac{1}{2}'],
      ['-1/2', '\\frac{-1}{2}'],
      ['01/2', '01/2'],
      ['1/2/3', '1/2/3'],
      ['', ''],
    ];
    for (const [text, form] of cases) assert.equal(mathNormalForm(text), form, text);
  });

  it('compares the raw strings if one of them cannot be normalised', () => {
    for (const text of ['x/2', '\\frac', '\\sqrt', '1\\text{ m}2\\text{ s}']) {
      assert.throws(() => mathNormalForm(text), text);
      assert.equal(equalAsReleased(text, text), true);
      assert.equal(equalAsReleased(text, ` ${text}`), false);
    }
  });
});
