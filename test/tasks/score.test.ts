import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import { countdown } from '../../src/tasks/countdown.ts';
import { completedRow, scoreRows } from '../../src/tasks/score.ts';
import { sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';

const puzzle = '0310200404001043';
const solution = '4312213434211243';
const twoRight = `<answer>4912</answer>`;

describe('scoring completions', () => {
  const completed = [solution, twoRight, ''].map((text) =>
    completedRow(sudoku4x4, {
      prompt: 'x',
      puzzle,
      solution,
      completion: text === solution ? `<answer>${text}</answer>` : text,
    }),
  );

  it('sums the metrics over the rows', async () => {
    const scores = await scoreRows(sudoku4x4, completed);
    assert.equal(scores.task, 'sudoku4x4');
    assert.equal(scores.n, 3);
    assert.deepEqual(scores.metrics, { cell_accuracy: { value: 10, weight: 24 }, solved: { value: 1, weight: 3 } });
    assert.deepEqual(
      scores.rows.map(({ reward, correct, extracted }) => [reward, correct, extracted]),
      [
        [1, true, solution],
        [2 / 8, false, '4912'],
        [0, false, null],
      ],
    );
  });

  it('takes the share of right cells as the reward of the released evaluator', async () => {
    const { rows } = await scoreRows(sudoku4x4, completed, { asReleased: true });
    assert.deepEqual(
      rows.map(({ reward, correct, extracted }) => [reward, correct, extracted]),
      [
        [1, true, solution],
        [2 / 8, false, '4912000000000000'],
        [0, false, null],
      ],
    );
    const items = ['\\boxed{93+30-100}', '<answer>93+30-100</answer>'].map((completion) => ({
      row: { numbers: [30, 100, 93], target: 23 },
      completion,
    }));
    assert.deepEqual(
      (await scoreRows(countdown, items, { asReleased: true })).rows.map(({ reward }) => reward),
      [1, 0],
    );
    assert.deepEqual(
      (await scoreRows(countdown, items)).rows.map(({ reward }) => reward),
      [0, 1],
    );
  });

  it('needs no label where the rules will do, and takes a reward by name', async () => {
    const unlabelled = completedRow(sudoku4x4, { puzzle, completion: `<answer>1${solution.slice(1)}</answer>` });
    assert.equal((await scoreRows(sudoku4x4, [unlabelled])).rows[0].reward, 9 / 12);
    const labelled = completedRow(sudoku4x4, { puzzle, solution, completion: `1${solution.slice(1)}` });
    assert.equal((await scoreRows(sudoku4x4, [labelled], { format: 'plain' })).rows[0].reward, 7 / 8);
    assert.equal((await scoreRows(sudoku4x4, [labelled], { format: 'plain', reward: 'rules' })).rows[0].reward, 9 / 12);
  });

  it('lets a signal stop a task that runs something to grade', async () => {
    const { signal } = new AbortController();
    const given: unknown[] = [];
    const task = {
      ...sudoku4x4,
      inBatches: {
        grade: async (answers, options, signal) => {
          given.push(signal);
          return answers.map(({ row, completion }) => sudoku4x4.grade(row, completion, options));
        },
        reward: async (questions, format, signal) => {
          given.push(signal);
          return questions.map(({ row, completion, reward }) => sudoku4x4.reward(row, completion, reward, format));
        },
      },
    } satisfies typeof sudoku4x4;
    await scoreRows(task, completed, { signal });
    assert.deepEqual(given, [signal, signal]);
  });

  it('has weight 0 for no rows, and refuses rows without a completion', async () => {
    assert.deepEqual((await scoreRows(sudoku4x4, [])).metrics, {
      cell_accuracy: { value: 0, weight: 0 },
      solved: { value: 0, weight: 0 },
    });
    for (const record of [null, {}, { puzzle, solution }, { puzzle, solution, completion: 5 }]) {
      assert.throws(() => completedRow(sudoku4x4, record), UserError);
    }
    assert.throws(() => completedRow(sudoku4x4, { completion: 'x' }), /puzzle/);
  });
});
