import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UsageError, UserError } from '../../src/platform/errors.ts';
import { gradeGsm8k, gsm8k, gsm8kReward } from '../../src/tasks/gsm8k.ts';
import { gradeMath, math, mathReward } from '../../src/tasks/math.ts';
import { tagCount } from '../../src/tasks/tag-format.ts';

const tagged = { format: 'tagged', asReleased: false } as const;
const plain = { format: 'plain', asReleased: false } as const;

describe('GSM8K and MATH rows', () => {
  it('are parsed from the field names of the public files', () => {
    assert.deepEqual(gsm8k.parse({ question: 'Q', answer: 'She has 48/2 = <<48/2=24>>24.\n#### 1,024' }), {
      question: 'Q',
      answer: '1,024',
      reasoning: 'She has 48/2 = 24.',
    });
    assert.deepEqual(gsm8k.parse({ prompt: 'Q', answer: 18 }), { question: 'Q', answer: '18' });
    assert.deepEqual(gsm8k.parse({ answer: '18', completion: 'x' }), { answer: '18' });
    assert.deepEqual(math.parse({ problem: 'Q', solution: 'so $\\boxed{\\frac{1}{2}}$' }), {
      question: 'Q',
      answer: '\\frac{1}{2}',
      reasoning: 'so $\\boxed{\\frac{1}{2}}$',
    });
    assert.deepEqual(math.parse({ problem: 'Q', answer: '7', solution: 'so $\\boxed 7$' }), {
      question: 'Q',
      answer: '7',
      reasoning: 'so $\\boxed 7$',
    });
    assert.equal(math.parse({ solution: 'so $\\boxed 7$' }).answer, '7');
    assert.equal(math.parse({ answer: 0.5 }).answer, '0.5');
  });

  it('report the error', () => {
    for (const record of [
      null,
      'x',
      {},
      { question: 'Q' },
      { answer: '' },
      { answer: 'many' },
      { answer: {} },
      { question: 5, answer: 5 },
    ]) {
      assert.throws(() => gsm8k.parse(record), UserError, JSON.stringify(record));
    }
    for (const record of [null, {}, { answer: ' ' }, { answer: '\\boxed{5' }, { answer: [] }]) {
      assert.throws(() => math.parse(record), UserError, JSON.stringify(record));
    }
    assert.throws(() => gsm8k.prompt({ answer: '5' }, 'tagged'), UserError);
  });
});

describe('GSM8K rewards', () => {
  const row = { answer: '18' };
  const perfect = '<reasoning>\nfirst\nthen\n</reasoning>\n<answer>\n18\n</answer>';

  it('reward the format of multi-line reasoning, as the paper intends', () => {
    const { total, parts } = gsm8kReward(row, perfect, 'reference', 'tagged');
    // 12 characters follow the opening answer tag, and none the closing one.
    assert.ok(Math.abs(parts.xml_count - (0.5 - 0.012 + 0.001)) < 1e-12);
    assert.deepEqual(
      { ...parts, xml_count: 0 },
      { xml_count: 0, soft_format: 0.5, strict_format: 0.5, integer: 0.5, correctness: 2 },
    );
    assert.ok(Math.abs(total - 3.989) < 1e-12);
  });

  it('released: reward the format of single-line reasoning only, and compare strings', () => {
    const released = (text: string, of = row): Record<string, number> => ({
      ...gsm8kReward(of, text, 'released', 'tagged').parts,
    });
    assert.equal(released(perfect).soft_format, 0);
    assert.equal(released(perfect).strict_format, 0);
    assert.equal(released(perfect).correctness, 2);
    assert.equal(released('<reasoning>r</reasoning> <answer>18</answer>').soft_format, 0.5);
    assert.equal(released('<reasoning>\nr\n</reasoning>\n<answer>\n18\n</answer>\n').strict_format, 0.5);
    assert.equal(released('<reasoning>\nr\n</reasoning>\n<answer>\n18\n</answer>').strict_format, 0);
    assert.equal(released('<answer>18.0</answer>').correctness, 0);
    assert.equal(released('<answer>-18</answer>').integer, 0);
    assert.equal(released('18').correctness, 2);
    assert.equal(released('<answer>1,024</answer>', { answer: '1,024' }).correctness, 2);
    assert.equal(gsm8kReward(row, '<answer>18.0</answer>', 'reference', 'tagged').parts.correctness, 2);
  });

  it('apply the format rules strictly', () => {
    const parts = (text: string): Record<string, number> => ({
      ...gsm8kReward(row, text, 'reference', 'tagged').parts,
    });
    assert.equal(parts(` ${perfect}`).soft_format, 0);
    assert.equal(parts(` ${perfect}`).strict_format, 0);
    assert.equal(parts(`${perfect}\n`).strict_format, 0.5);
    assert.equal(parts(`${perfect}\nmore`).strict_format, 0);
    assert.equal(parts(`${perfect}\nmore`).soft_format, 0.5);
    assert.equal(parts('<reasoning></reasoning><answer>18</answer>').soft_format, 0.5);
    assert.equal(parts('<reasoning></reasoning><answer>18').soft_format, 0);
    assert.equal(parts('<reasoning>\n</reasoning>\n<answer>\n</answer>').strict_format, 0);
    assert.equal(parts('<answer>18</answer><reasoning></reasoning>').soft_format, 0);
    assert.deepEqual(gsm8kReward(row, '18', 'reference', 'plain'), {
      total: 2.5,
      parts: { integer: 0.5, correctness: 2 },
    });
    assert.throws(() => gsm8kReward(row, '', 'rules', 'tagged'), UsageError);
  });

  it('count each tag once, with a penalty for trailing text', () => {
    assert.equal(tagCount(''), 0);
    assert.equal(tagCount('<reasoning>\n'), 0.125);
    assert.equal(tagCount('<reasoning>\n<reasoning>\n'), 0);
    assert.equal(tagCount('\n</answer>'), 0.126);
    // Tags that share a line break count once, and the trailing text begins after the first of them.
    assert.equal(tagCount('\n<answer>\n<answer>\n').toFixed(6), '0.116000');
    assert.equal(tagCount('\n</answer>\n'), 0.125);
    assert.ok(Math.abs(tagCount(`\n</answer>${'x'.repeat(101)}`) - 0.025) < 1e-12);
    assert.ok(Math.abs(tagCount('\n<answer>\n18') - 0.123) < 1e-12);
  });
});

describe('MATH rewards', () => {
  const row = { answer: '\\frac{1}{2}' };
  const cases: [string, number, number][] = [
    // completion, format as the paper intends, format as released
    ['<answer>\\boxed{3}</answer>', 1, 0.75],
    ['<answer>3</answer>', 0.75, 0.75],
    ['\\boxed{3}', 0.5, 0.25],
    ['\\boxed{3}<answer>3</answer>', 0.75, 0.75],
    ['3', 0.25, 0.25],
    ['<answer>\\boxed{3}', 0.5, 0.75],
    ['<answer>\boxed</answer>', 0.75, 1],
  ];
  it('look for the box, or in the released code for a backspace', () => {
    for (const [text, reference, released] of cases) {
      assert.equal(mathReward(row, text, 'reference', 'tagged').parts.format, reference, text);
      assert.equal(mathReward(row, text, 'released', 'tagged').parts.format, released, text);
    }
    assert.deepEqual(mathReward(row, '<answer>\\boxed{\\dfrac12}</answer>', 'reference', 'tagged').parts, {
      format: 1,
      correctness: 2,
    });
    assert.equal(mathReward(row, '<answer>\\boxed{1/2}</answer>', 'released', 'tagged').total, 2.75);
    assert.equal(mathReward(row, '\\boxed{\\frac12', 'released', 'tagged').parts.correctness, 0);
    assert.throws(() => mathReward(row, '', 'rules', 'tagged'), UsageError);
  });
});

describe('grading GSM8K', () => {
  it('accepts answers in the formats that models use', () => {
    const forms: [string, string][] = [
      ['<answer>\n18\n</answer>', '18'],
      ['<answer>\\boxed{18}</answer>', '18'],
      ['<answer>$18</answer>', '18'],
      ['<answer>\\$18.00</answer>', '18'],
      ['<answer>18 dollars</answer>', '18'],
      ['<answer>The answer is 18.</answer>', '18'],
      ['<answer>x = 18</answer>', '18'],
      ['<answer>3 * 6 = 18</answer>', '18'],
      ['<answer>```\n18\n```</answer>', '18'],
      ['<answer>18', '18'],
      ['so \\boxed{18}.', '18'],
      ['and so on\n#### 18\nmore 5', '18'],
      ['<answer>5</answer><answer>18</answer>', '18'],
      ['<answer>10,018</answer>', '10018'],
      ['<answer>1{,}018</answer>', '1018'],
      ['<answer>-18</answer>', '-18'],
      ['<answer>(3)6</answer>', '6'],
    ];
    for (const [text, answer] of forms) {
      const graded = gradeGsm8k({ answer }, text, tagged);
      assert.deepEqual([graded.correct, graded.extracted], [true, answer], text);
    }
    assert.equal(gradeGsm8k({ answer: '1,024' }, '1024', plain).correct, true);
    assert.equal(gradeGsm8k({ answer: '0.5' }, '\\frac{1}{2}', plain).correct, true);
  });

  it('rejects everything else', () => {
    for (const text of [
      '',
      '18',
      'I think 18',
      '<answer></answer>',
      '<answer>many</answer>',
      '<answer>1 8</answer>',
      '<answer>180</answer>',
      '<answer>18.5</answer>',
      '<answer>18</answer><answer>19</answer>',
    ]) {
      assert.equal(gradeGsm8k({ answer: '18' }, text, tagged).correct, false, text);
    }
  });
});

describe('grading MATH', () => {
  it('accepts equivalent answers in the formats that models use', () => {
    const forms: [string, string][] = [
      ['\\frac{1}{2}', '<answer>\\boxed{\\frac{1}{2}}</answer>'],
      ['\\frac{1}{2}', '<answer>1/2</answer>'],
      ['\\frac{1}{2}', '\\boxed{0.5}'],
      ['\\frac{1}{2}', '\\boxed{\\dfrac12}'],
      ['3\\sqrt{2}', '\\boxed{3\\sqrt2}'],
      ['x=5', '\\boxed{5}'],
      ['5', '<answer>$x = 5$.</answer>'],
      ['2x+1', '<answer>f(x) = 2x + 1</answer>'],
      ['90', '\\boxed{90^\\circ}'],
      ['10', '\\boxed{10\\text{ cm}}'],
      ['\\text{even}', '\\boxed{even}'],
      ['1,000', '\\boxed{1000}'],
      ['50', '\\boxed{50\\%}'],
      ['(3, \\frac{\\pi}{2})', '\\boxed{\\left(3,\\frac{\\pi}{2}\\right)}'],
      ['\\frac{3}{4}', '\\boxed{\\boxed{\\frac{3}{4}}}'],
    ];
    for (const [answer, text] of forms)
      assert.equal(gradeMath({ answer }, text, tagged).correct, true, `${answer} ${text}`);
  });

  it('rejects everything else', () => {
    for (const text of [
      '',
      '\\frac{1}{2}',
      '\\boxed{\\frac{1}{3}}',
      '\\boxed{}',
      '\\boxed{\\frac{1}{2}',
      '\\boxed{\\frac{1}{2} or 1}',
      '\\boxed{5}<answer>6</answer>',
    ]) {
      assert.equal(gradeMath({ answer: '\\frac{1}{2}' }, text, tagged).correct, false, text);
    }
  });
});

describe('GSM8K and MATH reference answers', () => {
  it('are graded as correct in both formats, with and without reasoning steps', () => {
    const sums = [{ answer: '18' }, { question: 'Q', answer: '1,024', reasoning: 'one\ntwo' }, { answer: '-3.5' }];
    const problems = [
      { answer: '\\frac{1}{2}' },
      { answer: 'x=5', reasoning: 'so $\\boxed{x=5}$' },
      { answer: '(1,2)' },
      { answer: '\\text{(A)}' },
      { answer: '5\\text{ cm}' },
    ];
    for (const format of ['plain', 'tagged'] as const) {
      for (const asReleased of [false, true]) {
        for (const row of sums) {
          // The released evaluator takes the digits before a comma as the number.
          const correct = !(asReleased && row.answer.includes(','));
          assert.equal(
            gradeGsm8k(row, gsm8k.solution(row, format) ?? '', { format, asReleased }).correct,
            correct,
            `${format} ${row.answer}`,
          );
        }
        for (const row of problems) {
          assert.equal(
            gradeMath(row, math.solution(row, format) ?? '', { format, asReleased }).correct,
            true,
            `${format} ${row.answer}`,
          );
        }
      }
    }
    assert.equal(mathReward(problems[1], math.solution(problems[1], 'tagged') ?? '', 'reference', 'tagged').total, 3);
  });
});
