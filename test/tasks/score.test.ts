import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Interrupted, UserError } from '../../src/platform/errors.ts';
import { countdown } from '../../src/tasks/countdown.ts';
import { completedRow, scoreRows } from '../../src/tasks/score.ts';
import { sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';

const puzzle = '0310200404001043';
const solution = '4312213434211243';
const twoRight = `<answer>4912</answer>`;

describe('scoreRows', () => {
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

  it("uses the share of correct cells as the released evaluator's reward", async () => {
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

  it('needs no label for rule-based rewards, and selects a reward by name', async () => {
    const unlabelled = completedRow(sudoku4x4, { puzzle, completion: `<answer>1${solution.slice(1)}</answer>` });
    assert.equal((await scoreRows(sudoku4x4, [unlabelled])).rows[0].reward, 9 / 12);
    const labelled = completedRow(sudoku4x4, { puzzle, solution, completion: `1${solution.slice(1)}` });
    assert.equal((await scoreRows(sudoku4x4, [labelled], { format: 'plain' })).rows[0].reward, 7 / 8);
    assert.equal((await scoreRows(sudoku4x4, [labelled], { format: 'plain', reward: 'rules' })).rows[0].reward, 9 / 12);
  });

  it('passes its signal and progress callback to the scorer, which stops on abort', async () => {
    const controller = new AbortController();
    const progress: string[] = [];
    const onProgress = (done: number, total: number) => {
      progress.push(`${done} of ${total}`);
      if (progress.length === 4) controller.abort();
    };
    await assert.rejects(
      scoreRows(sudoku4x4, completed, { signal: controller.signal, onProgress }),
      (error) => error instanceof Interrupted && error.message === 'Scoring was stopped.',
    );
    // All grades, then the first reward.
    assert.deepEqual(progress, ['1 of 3', '2 of 3', '3 of 3', '1 of 3']);
  });

  it('returns weight 0 without rows, and rejects rows without a completion', async () => {
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
