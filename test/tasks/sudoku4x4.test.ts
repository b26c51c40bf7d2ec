import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { UsageError, UserError } from '../../src/platform/errors.ts';
import { Random } from '../../src/platform/random.ts';
import { readRowFile } from '../../src/tasks/row-file.ts';
import { gradeSudoku, type SudokuRow, sudoku4x4, sudokuReward } from '../../src/tasks/sudoku4x4.ts';
import { grids, hasOneSolution, shots, solutionsOf, split } from '../../src/tasks/sudoku4x4-grids.ts';
import { makePuzzle, singleSteps } from '../../src/tasks/sudoku4x4-puzzles.ts';

const publicFile = new URL('../../../shared/data/sudoku4x4-test.csv', import.meta.url).pathname;
const noPublicFile = existsSync(publicFile) ? false : 'the public test file is not here';

const puzzle = '0310200404001043';
const solution = '4312213434211243';
const row: SudokuRow = { puzzle, solution };

/** Counts solutions cell by cell, without the list of grids. */
function countSolutions(cells: string): number {
  const cell = cells.indexOf('0');
  if (cell < 0) return 1;
  const box = (other: number): number => Math.floor(other / 8) * 2 + Math.floor((other % 4) / 2);
  let count = 0;
  for (const digit of '1234') {
    const clash = [...cells].some(
      (held, other) =>
        held === digit &&
        (other % 4 === cell % 4 || Math.floor(other / 4) === Math.floor(cell / 4) || box(other) === box(cell)),
    );
    if (!clash) count += countSolutions(cells.slice(0, cell) + digit + cells.slice(cell + 1));
  }
  return count;
}

const plain = { format: 'plain', asReleased: false } as const;
const tagged = { format: 'tagged', asReleased: false } as const;

describe('4x4 Sudoku grids', () => {
  it('are complete (288) and in ascending order', () => {
    assert.equal(grids.length, 288);
    assert.equal(new Set(grids).size, 288);
    assert.deepEqual([...grids].sort(), grids);
    assert.equal(countSolutions('0'.repeat(16)), 288);
    for (const grid of grids) {
      for (const [row, column] of [0, 1, 2, 3].map((index) => [index, index])) {
        assert.equal(new Set(grid.slice(row * 4, row * 4 + 4)).size, 4);
        assert.equal(new Set([0, 1, 2, 3].map((step) => grid[step * 4 + column])).size, 4);
        const corner = (row >> 1) * 8 + (row & 1) * 2;
        assert.equal(new Set([0, 1, 4, 5].map((step) => grid[corner + step])).size, 4);
      }
    }
  });

  it("are split by solution, and the prompt's worked examples are training grids", () => {
    const parts = [split.training, split.validation, split.test];
    assert.deepEqual(
      parts.map((part) => part.length),
      [160, 40, 88],
    );
    assert.deepEqual(parts.flat().sort(), grids);
    for (const shot of shots) {
      assert.ok(split.training.includes(shot.solution));
      assert.deepEqual(solutionsOf(shot.puzzle), [shot.solution]);
    }
  });

  // Published results and bundled models depend on the split, so it must not change with a library or a refactoring.
  it('have a fixed split', () => {
    assert.equal(createHash('sha256').update(JSON.stringify(split)).digest('hex').slice(0, 16), 'db47ac39f5278599');
    const heldOut = [sudoku4x4.heldOut!('validation', 256), sudoku4x4.heldOut!('test', 256)];
    assert.equal(createHash('sha256').update(JSON.stringify(heldOut)).digest('hex').slice(0, 16), '3c6c68332459348b');
  });

  it('hold out exactly the solutions of the public test file', { skip: noPublicFile }, async () => {
    const { rows } = await readRowFile(publicFile, (record) => sudoku4x4.parse(record));
    assert.equal(rows.length, 256);
    assert.deepEqual([...new Set(rows.map(({ row }) => row.solution))].sort(), [...split.test].sort());
    for (const { row } of rows) assert.deepEqual(solutionsOf(row.puzzle), [row.solution]);
  });
});

describe('4x4 Sudoku puzzles', () => {
  it('have exactly one solution by an independent count', () => {
    const random = new Random(1, 'puzzles');
    for (let round = 0; round < 300; round++) {
      const generated = sudoku4x4.generate!(random, { empty: [1, 12] }) as SudokuRow;
      assert.equal(countSolutions(generated.puzzle), 1, generated.puzzle);
      assert.deepEqual(solutionsOf(generated.puzzle), [generated.solution]);
    }
    for (let round = 0; round < 300; round++) {
      const cells = [...random.pick(grids)].map((digit) => (random.uniform() < 0.7 ? '0' : digit)).join('');
      assert.equal(hasOneSolution(cells), countSolutions(cells) === 1, cells);
      assert.equal(solutionsOf(cells).length, countSolutions(cells), cells);
    }
  });

  it('exist with 12 empty cells for every grid', () => {
    const random = new Random(2, 'puzzles');
    for (const grid of grids)
      assert.equal([...makePuzzle(random, grid, 12)].filter((digit) => digit === '0').length, 12);
  });

  it('for training never have a held-out solution', () => {
    const random = new Random(3, 'puzzles');
    const heldOut = new Set([...split.validation, ...split.test]);
    const seen = new Set<string>();
    for (let round = 0; round < 5000; round++) {
      const generated = sudoku4x4.generate!(random, round % 2 ? {} : { empty: [4, 11] }) as SudokuRow;
      assert.ok(!heldOut.has(generated.solution ?? ''));
      assert.ok(!shots.some((shot) => shot.puzzle === generated.puzzle));
      seen.add(generated.solution ?? '');
    }
    assert.equal(seen.size, 160);
  });

  it('match the public test file in their number of empty cells', { skip: noPublicFile }, async () => {
    const count = (puzzles: readonly string[]): Map<number, number> => {
      const counts = new Map<number, number>();
      for (const text of puzzles) {
        const empty = text.split('0').length - 1;
        counts.set(empty, (counts.get(empty) ?? 0) + 1 / puzzles.length);
      }
      return counts;
    };
    const { rows } = await readRowFile(publicFile, (record) => sudoku4x4.parse(record));
    const published = count(rows.map((read) => read.row.puzzle));
    const random = new Random(4, 'puzzles');
    const generated = count(Array.from({ length: 5000 }, () => (sudoku4x4.generate!(random, {}) as SudokuRow).puzzle));
    assert.deepEqual([...generated.keys()].sort(), [...published.keys()].sort());
    for (const [empty, share] of published)
      assert.ok(Math.abs((generated.get(empty) ?? 0) - share) < 0.03, `${empty} empty cells`);
  });

  it('follow their options', () => {
    const random = new Random(5, 'puzzles');
    for (let round = 0; round < 100; round++) {
      const generated = sudoku4x4.generate!(random, {
        empty: 10,
        singlesOnly: true,
        grids: 7,
        labelled: false,
      }) as SudokuRow;
      assert.deepEqual(Object.keys(generated), ['puzzle']);
      assert.equal(generated.puzzle.split('0').length - 1, 10);
      assert.ok(split.training.slice(0, 7).includes(solutionsOf(generated.puzzle)[0]));
      assert.equal(singleSteps(generated.puzzle).cells, solutionsOf(generated.puzzle)[0]);
    }
    for (const options of [
      { empty: 0 },
      { empty: 13 },
      { empty: [9, 7] },
      { empty: '7' },
      { grids: 0 },
      { grids: 161 },
      { difficulty: 3 },
    ]) {
      assert.throws(() => sudoku4x4.generate!(random, options), UsageError, JSON.stringify(options));
    }
  });

  it("of a held-out part are reproducible and distinct, and use only that part's grids", () => {
    for (const part of ['validation', 'test'] as const) {
      const rows = sudoku4x4.heldOut!(part, 256) ?? [];
      assert.equal(new Set(rows.map((generated) => generated.puzzle)).size, 256);
      assert.deepEqual(sudoku4x4.heldOut!(part, 10), rows.slice(0, 10));
      for (const generated of rows) {
        assert.ok(split[part].includes(generated.solution ?? ''));
        assert.deepEqual(solutionsOf(generated.puzzle), [generated.solution]);
      }
      assert.deepEqual([...new Set(rows.map((generated) => generated.solution))].sort(), [...split[part]].sort());
    }
  });

  it('depend on the seed only', () => {
    const draw = (): unknown[] => {
      const random = new Random(9, 'seed');
      return Array.from({ length: 20 }, () => sudoku4x4.generate!(random, {}));
    };
    assert.deepEqual(draw(), draw());
  });
});

describe('4x4 Sudoku rows', () => {
  it('keep leading zeros', () => {
    assert.deepEqual(sudoku4x4.parse({ puzzle: 310200404001043, solution: 4312213434211243 }), row);
    assert.deepEqual(sudoku4x4.parse({ puzzle: '310200404001043', solution }), row);
    assert.deepEqual(sudoku4x4.parse({ puzzle, solution, completion: 'x', extra: 1 }), row);
    assert.deepEqual(sudoku4x4.parse({ puzzle }), { puzzle });
  });

  it('report the error', () => {
    const cases: [unknown, RegExp][] = [
      [null, /object/],
      ['0310200404001043', /object/],
      [{}, /puzzle/],
      [{ puzzle: '5'.repeat(16) }, /puzzle.*0 to 4/],
      [{ puzzle: '12345678901234567' }, /puzzle/],
      [{ puzzle: -1 }, /puzzle/],
      [{ puzzle, solution: '4312213434211240' }, /solution/],
      [{ puzzle, solution: '1'.repeat(16) }, /not a solved grid/],
      [{ puzzle, solution: grids[0] }, /changes a given/],
      [{ puzzle: '1100000000000000' }, /no solution/],
      [{ puzzle, solution: null }, /solution/],
    ];
    for (const [record, message] of cases) {
      assert.throws(
        () => sudoku4x4.parse(record),
        (error) => error instanceof UserError && message.test(error.message),
        JSON.stringify(record),
      );
    }
  });
});

describe('4x4 Sudoku rewards', () => {
  const reference = (text: string, of: SudokuRow = row): number => sudokuReward(of, text, 'reference', 'tagged').total;
  const rules = (text: string, of: SudokuRow = row): number => sudokuReward(of, text, 'rules', 'tagged').total;

  it('reference: the share of correct empty cells in the last closed answer', () => {
    assert.equal(reference(`<answer>${solution}</answer>`), 1);
    assert.equal(reference(`<answer>1111111111111111</answer> no: <answer>\n4312 2134\n3421 1243\n</answer>`), 1);
    assert.equal(reference(`<answer>${solution}</answer><answer></answer>`), 0);
    assert.equal(reference(solution), 0);
    assert.equal(reference(`<answer>${solution}`), 0);
    // Cells 0, 3, 5, 6, 8, 10, 13 … are empty; changing a given is not penalised.
    const empty = [...puzzle].flatMap((digit, cell) => (digit === '0' ? [cell] : []));
    const oneWrong = [...solution].map((digit, cell) => (cell === empty[0] ? '0' : digit)).join('');
    assert.equal(reference(`<answer>${oneWrong}</answer>`), (empty.length - 1) / empty.length);
    const changedGiven = `${solution.slice(0, 1)}1${solution.slice(2)}`;
    assert.equal(reference(`<answer>${changedGiven}</answer>`), 1);
    // Padded with 0 and cut to 16 cells; other characters are dropped.
    const inFirstRow = empty.filter((cell) => cell < 4).length;
    assert.equal(reference(`<answer>${solution.slice(0, 4)}</answer>`), inFirstRow / empty.length);
    assert.equal(reference(`<answer>${solution}99999</answer>`), 1);
    assert.equal(reference(`<answer>the grid: ${solution}!</answer>`), 1);
  });

  it('rules: the share of the 12 units that contain 1 to 4, and 0 if a given was changed', () => {
    const unlabelled = { puzzle };
    assert.equal(rules(`<answer>${solution}</answer>`, unlabelled), 1);
    assert.equal(rules(`<answer>${puzzle}</answer>`, unlabelled), 0);
    assert.equal(rules('', unlabelled), 0);
    const changedGiven = `${solution.slice(0, 1)}1${solution.slice(2)}`;
    assert.equal(rules(`<answer>${changedGiven}</answer>`, unlabelled), 0);
    // One wrong cell breaks its row, its column and its box.
    const oneWrong = `1${solution.slice(1)}`;
    assert.equal(rules(`<answer>${oneWrong}</answer>`, unlabelled), 9 / 12);
    // A puzzle with two solutions: both are accepted.
    const open = [...grids[0]].map((digit, cell) => (cell < 8 ? '0' : digit)).join('');
    for (const either of solutionsOf(open)) assert.equal(rules(`<answer>${either}</answer>`, { puzzle: open }), 1);
    assert.ok(solutionsOf(open).length > 1);
  });

  it('read a plain completion cell by cell', () => {
    assert.equal(sudokuReward(row, solution, 'reference', 'plain').total, 1);
    assert.equal(sudokuReward(row, `,${solution.slice(1)}`, 'reference', 'plain').total, 7 / 8);
    assert.equal(sudokuReward(row, `,${solution.slice(1)}`, 'rules', 'plain').total, 9 / 12);
    assert.equal(sudokuReward(row, '', 'rules', 'plain').total, 0);
  });

  it('reject an unknown name, and a row without the label that they need', () => {
    assert.throws(() => reference(solution, { puzzle }), UserError);
    assert.throws(() => sudokuReward(row, solution, 'shape', 'plain'), UsageError);
    assert.equal(sudoku4x4.defaultReward?.({ puzzle }), 'rules');
    assert.equal(sudoku4x4.defaultReward?.(row), 'reference');
  });
});

describe('grading 4x4 Sudoku', () => {
  it('accepts answers in the formats that models use', () => {
    const grid = '4 3 1 2\n2 1 3 4\n3 4 2 1\n1 2 4 3';
    const forms = [
      `<reasoning>\nwell\n</reasoning>\n<answer>\n${solution}\n</answer>`,
      `<answer>${solution}`,
      `<answer>${solution}<|eot_id|> more`,
      `<answer>\n\`\`\`\n${grid}\n\`\`\`\n</answer>`,
      `<answer>\n\`\`\`text\n${solution}\n</answer>`,
      `<answer>\\boxed{${solution}}</answer>`,
      `so \\boxed{${solution}}.`,
      `\`\`\`\n${grid}\n\`\`\``,
      `<answer>R1: 4 3 1 2\nR2: 2 1 3 4\nR3: 3 4 2 1\nR4: 1 2 4 3</answer>`,
      `<answer>| 4 | 3 | 1 | 2 |\n| 2 | 1 | 3 | 4 |\n| 3 | 4 | 2 | 1 |\n| 1 | 2 | 4 | 3 |</answer>`,
      `<answer>[[4,3,1,2],[2,1,3,4],[3,4,2,1],[1,2,4,3]]</answer>`,
      `<answer>The solution is ${solution}.</answer>`,
      `The solution is ${solution}.`,
    ];
    for (const form of forms) {
      const { correct, extracted } = gradeSudoku(row, form, tagged);
      assert.deepEqual([correct, extracted], [true, solution], form);
    }
  });

  it('rejects everything else', () => {
    const wrong = [
      '',
      puzzle,
      `<answer>${solution}1</answer>`,
      `<answer>${solution.slice(0, 15)}</answer>`,
      `<answer>${solution}${grids[0]}</answer>`,
      `<answer>${grids[0]}</answer>`,
      `<answer>no idea</answer>`,
      `1${solution}`,
      `<answer>${solution}</answer> or <answer>${grids[0]}</answer>`,
    ];
    for (const text of wrong) assert.equal(gradeSudoku(row, text, tagged).correct, false, text);
  });

  it('counts only empty cells, and pads or truncates the answer', () => {
    const scores = (text: string): unknown => gradeSudoku(row, text, plain).scores;
    assert.deepEqual(scores(solution), { cell_accuracy: { value: 8, weight: 8 }, solved: { value: 1, weight: 1 } });
    assert.deepEqual(scores(`1${solution.slice(1)}`), {
      cell_accuracy: { value: 7, weight: 8 },
      solved: { value: 0, weight: 1 },
    });
    assert.deepEqual(scores(''), { cell_accuracy: { value: 0, weight: 8 }, solved: { value: 0, weight: 1 } });
    assert.deepEqual(scores(`${solution}11`), {
      cell_accuracy: { value: 8, weight: 8 },
      solved: { value: 0, weight: 1 },
    });
    // Without a label, any solution that follows the rules is accepted.
    assert.deepEqual(gradeSudoku({ puzzle }, solution, plain).scores, scores(solution));
    assert.deepEqual(gradeSudoku({ puzzle: solution }, solution, plain).scores.cell_accuracy, {
      value: 0,
      weight: 0,
    });
  });

  it('accepts every reference answer in both formats', () => {
    const random = new Random(6, 'solutions');
    for (let round = 0; round < 200; round++) {
      const generated = sudoku4x4.generate!(random, { empty: [1, 12] }) as SudokuRow;
      for (const format of ['plain', 'tagged'] as const) {
        const answer = sudoku4x4.solution(generated, format) ?? '';
        assert.equal(gradeSudoku(generated, answer, { format, asReleased: false }).correct, true, answer);
        for (const name of sudoku4x4.rewards) assert.equal(sudokuReward(generated, answer, name, format).total, 1);
      }
      assert.equal(
        gradeSudoku(generated, sudoku4x4.solution(generated, 'tagged') ?? '', { format: 'tagged', asReleased: true })
          .correct,
        true,
      );
    }
    assert.equal(sudoku4x4.solution({ puzzle }, 'plain'), null);
  });

  it('handles hostile completions', () => {
    for (const text of [
      '<answer>'.repeat(20_000),
      '```'.repeat(50_000),
      '\\boxed{'.repeat(20_000),
      '1'.repeat(200_000),
      '1 '.repeat(100_000),
      '\0\uD800',
    ]) {
      for (const asReleased of [false, true])
        assert.equal(gradeSudoku(row, text, { format: 'tagged', asReleased }).correct, false);
    }
  });
});

describe('4x4 Sudoku prompts', () => {
  it('are the puzzle and a colon in plain format, and include three worked examples in tagged format', () => {
    assert.equal(sudoku4x4.prompt(row, 'plain'), `${puzzle}:`);
    const text = sudoku4x4.prompt(row, 'tagged');
    for (const shot of shots) {
      assert.ok(text.includes(shot.puzzle));
      assert.ok(text.includes(`<answer>\n${shot.solution}\n</answer>`));
    }
    assert.ok(text.endsWith(`${puzzle}\nAnswer:\n`));
    assert.ok(!text.includes(solution));
  });
});
