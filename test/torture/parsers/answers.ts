import { readArithmetic } from '../../../src/tasks/arithmetic.ts';
import { extractCode } from '../../../src/tasks/code/extract-code.ts';
import { countdown, gradeCountdown } from '../../../src/tasks/countdown.ts';
import { gradeGsm8k, gsm8k } from '../../../src/tasks/gsm8k.ts';
import { latexValue } from '../../../src/tasks/latex-value.ts';
import { gradeMath, math } from '../../../src/tasks/math.ts';
import { equalAnswers } from '../../../src/tasks/math-equality.ts';
import { equalAsReleased } from '../../../src/tasks/math-normal-form.ts';
import { gradeSudoku, sudoku4x4 } from '../../../src/tasks/sudoku4x4.ts';
import type { OutsideParser } from './outside-parser.ts';

/** Parsers of what a model answers. */
export function answerParsers(): OutsideParser[] {
  const text = (name: string, examples: readonly string[], parse: (text: string) => unknown): OutsideParser => ({
    name,
    examples: examples.map((example) => Buffer.from(example)),
    parse: (input) => parse(input.toString('utf8')),
  });
  const graded = { format: 'tagged', asReleased: false } as const;
  const grids = sudoku4x4.parse({ puzzle: '1000020000100004', solution: '1342423124133124' });
  return [
    text(
      'expressions',
      ['(100 - 93) * 30 / 7', '1 + 2 - 3 * (4 / 5)', '<answer>100-93+30</answer>', '2 // 3 ** 2'],
      (input) => [
        readArithmetic(input),
        readArithmetic(input, true),
        gradeCountdown(countdown.parse({ numbers: [30, 100, 93], target: 37 }), input, graded),
        gradeCountdown(countdown.parse({ numbers: [30, 100, 93], target: 37 }), input, { ...graded, asReleased: true }),
      ],
    ),
    text(
      'LaTeX answers',
      [
        '\\boxed{\\frac{1}{2}}',
        '\\left[0, \\tfrac{\\sqrt{3}}{2}\\right)',
        '\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}',
        '1,234.5\\text{ cm}^2',
        '\\{1, 2\\} \\cup (3, \\infty)',
      ],
      (input) => [
        latexValue(input),
        equalAnswers(input, '\\frac12'),
        equalAsReleased(input, '\\frac12'),
        gradeMath(math.parse({ problem: 'p', answer: '\\frac12' }), input, graded),
      ],
    ),
    text(
      'answers of word problems',
      ['#### 1,234', 'The answer is $2.50.', '<answer>72</answer>', '1e3 or 1 000'],
      (input) => gradeGsm8k(gsm8k.parse({ question: 'q', answer: '72' }), input, graded),
    ),
    text('answers of Sudokus', ['<answer>\n1342423124133124\n</answer>', '1 3 4 2\n4 2 3 1'], (input) =>
      gradeSudoku(grids, input, graded),
    ),
    text(
      'code in answers',
      ['Here:\n```python\ndef f(x):\n    return x\n```\nDone.', '~~~~ts\nexport const f = 1;\n~~~~'],
      (input) => [extractCode(input, 'chat'), extractCode(input, 'plain')],
    ),
  ];
}
