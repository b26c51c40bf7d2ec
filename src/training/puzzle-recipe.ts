import { characterSpecials, characterTokenizer, Tokenizer } from '../model/tokenizer.ts';
import type { Random } from '../platform/random.ts';
import { Random as RandomStream } from '../platform/random.ts';
import { countdown } from '../tasks/countdown.ts';
import { plainAlphabet } from '../tasks/plain-alphabet.ts';
import { sudoku4x4 } from '../tasks/sudoku4x4.ts';
import type { Task } from '../tasks/task.ts';
import type { Example } from './masked-diffusion-loss.ts';
import type { Curriculum, Recipe } from './recipe.ts';
import { taskExample } from './task-example.ts';
import { evaluateOnTasks, type ValidationProblems } from './task-validation.ts';

/** The number of labelled Sudokus. They are few, so that something is left to learn from puzzles without labels. */
export const labelledSudokus = 200;

/**
 * Sudokus start late and take every other step. With so few puzzles the model soon memorises them, so training stops
 * while the model is a usable but weak policy.
 */
const sudokusFrom = 800;

const vocabulary = new Tokenizer(characterTokenizer(plainAlphabet));

/** Held-out problems for evaluation. The first task decides which checkpoint is best. */
const validation: readonly ValidationProblems[] = [
  { task: sudoku4x4 as Task, rows: sudoku4x4.heldOut!('validation', 128) },
  { task: countdown as Task, rows: countdown.heldOut!('validation', 128, { largest: 20 }) },
];

/**
 * Generated problems of the training splits: an unlimited number of Countdown problems, and `labelledSudokus`
 * repeated Sudokus.
 */
export const puzzles: Curriculum = {
  data: [
    `Generated 4x4 Sudokus: ${labelledSudokus} labelled puzzles over the training grids, repeated in the last steps, so that there is`,
    'something left to learn from puzzles without labels. An unlimited number of generated Countdown problems of three and four numbers. The',
    'grids of the validation and test puzzles and the held-out Countdown problems were not used.',
  ],
  tokenizer: vocabulary.files,
  specials: characterSpecials,
  examples(step, batchSize, random) {
    const drills = Array.from({ length: batchSize }, () => drawCountdown(random));
    return step > sudokusFrom && step % 2 === 0 ? [drills, sudokuExamples(batchSize, random)] : [drills];
  },
  bestBy: sudoku4x4.metrics[0] as string,
  evaluate: (model, problems, context) => evaluateOnTasks(model, validation, problems, context),
};

/** A character-level base model for 4x4 Sudoku and Countdown. */
export const puzzleRecipe: Recipe = {
  name: 'puzzles',
  description: 'A small character model of 4x4 Sudoku and Countdown',
  modelName: 'unmask-puzzles',
  preset: 'nano-0.5m',
  ropeTheta: 100,
  generation: { prompt_format: 'plain', block_length: 16, tokens_per_step: 1 },
  settings: {
    learning_rate: 1e-3,
    warmup_steps: 50,
    max_grad_norm: 1,
    batch_size: 64,
  },
  steps: 1300,
  prepare: async () => puzzles,
};

/** The labelled Sudokus, which are always the same. */
export function labelledSudoku(index: number) {
  return sudoku4x4.generate!(new RandomStream(0, 'labelled sudoku', index), {});
}

const labelled = Array.from({ length: labelledSudokus }, (_, index) =>
  encode(sudoku4x4 as Task, labelledSudoku(index)),
);

/** A batch of the labelled Sudokus, drawn with replacement. */
export function sudokuExamples(count: number, random: Random): Example[] {
  return Array.from({ length: count }, () => random.pick(labelled));
}

/** Mostly three numbers up to 20; some problems have larger numbers or four of them. */
function drawCountdown(random: Random): Example {
  const largest = random.uniform() < 0.8 ? 20 : 100;
  const count = random.uniform() < 0.85 ? 3 : 4;
  return encode(countdown as Task, countdown.generate!(random, { count, largest }));
}

function encode(task: Task, row: unknown): Example {
  return taskExample(vocabulary, task, row);
}
