import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { Random } from '../../src/platform/random.ts';
import { countdown } from '../../src/tasks/countdown.ts';
import { sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';
import { split } from '../../src/tasks/sudoku4x4-grids.ts';
import type { Example } from '../../src/training/masked-diffusion-loss.ts';
import { labelledSudoku, labelledSudokus, puzzles, sudokuExamples } from '../../src/training/puzzle-recipe.ts';

const tokenizer = new Tokenizer(puzzles.tokenizer);
const parts = ({ tokens, canvases }: Example) => ({
  prompt: tokenizer.decode(Array.from(tokens).slice(0, canvases[0]!.start)),
  completion: tokenizer.decode(Array.from(tokens).slice(canvases[0]!.start)),
});

/** The examples of a step of the recipe, by task. */
function tasksOf(step: number): string[] {
  return puzzles.examples(step, 8, new Random(1, step)).map((batch) => {
    const tasks = new Set(
      batch.map((example) => (/^\d{16}:$/.test(parts(example).prompt) ? 'sudoku4x4' : 'countdown')),
    );
    assert.equal(tasks.size, 1, 'a batch has one task');
    return [...tasks][0] as string;
  });
}

describe('the recipe of the puzzle model', () => {
  it('has Countdown problems throughout, and Sudokus late, in every other step', () => {
    for (const step of [1, 2, 400, 799, 800, 801, 1299]) assert.deepEqual(tasksOf(step), ['countdown'], `step ${step}`);
    for (const step of [802, 804, 1300]) assert.deepEqual(tasksOf(step), ['countdown', 'sudoku4x4'], `step ${step}`);
  });

  it('has the configured number of labelled Sudokus, all of training grids', () => {
    const rows = Array.from({ length: labelledSudokus }, (_, index) => labelledSudoku(index));
    const labelled = new Map(rows.map(({ puzzle, solution }) => [`${puzzle}:`, solution]));
    assert.ok(labelled.size > 0.95 * labelledSudokus, 'few are repeated');
    for (const { solution } of rows) assert.ok(split.training.includes(solution as string));
    const heldOut = [...sudoku4x4.heldOut!('validation', 256), ...sudoku4x4.heldOut!('test', 256)];
    for (const { puzzle } of heldOut) assert.ok(!labelled.has(`${puzzle}:`));

    const seen = new Set<string>();
    for (const example of sudokuExamples(4000, new Random(2))) {
      const { prompt, completion } = parts(example);
      assert.equal(labelled.get(prompt), completion);
      seen.add(prompt);
    }
    assert.equal(seen.size, labelled.size, 'each one occurs');
  });

  it('never has a held-out Countdown problem, and pads every completion', async () => {
    const heldOut = new Set(
      [{ largest: 20 }, {}].flatMap((options) =>
        (['validation', 'test'] as const).flatMap((part) =>
          countdown.heldOut!(part, 128, options).map((row) => countdown.prompt(row, 'plain')),
        ),
      ),
    );
    const [drills] = puzzles.examples(1, 2000, new Random(3)) as [Example[]];
    for (const example of drills) {
      const { prompt, completion } = parts(example);
      assert.ok(!heldOut.has(prompt), prompt);
      assert.equal(example.tokens.length - example.canvases[0]!.start, countdown.completionLength.plain);
      const [, numbers, target] = /^([\d,]+)=(\d+):$/.exec(prompt)!;
      const row = { numbers: numbers!.split(',').map(Number), target: Number(target) };
      const [grade] = await countdown.scorer.grade([{ row, completion }], { format: 'plain', asReleased: false });
      assert.equal(grade!.correct, true, `${prompt}${completion}`);
    }
  });
});
