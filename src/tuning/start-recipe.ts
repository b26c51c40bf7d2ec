import { labelledSudokus, sudokuExamples } from '../training/puzzle-recipe.ts';

/**
 * The tuning run of `npm start`: SPG on newly generated Sudokus without solutions; the reward is a check of the rules. The
 * settings were chosen on validation puzzles of the training grids (docs/experiments.md describes the search).
 */
export const startRecipe = {
  task: 'sudoku4x4',
  objective: 'spg-mixture',
  /** Number of held-out puzzles, from the test grids. */
  problems: 256,
  steps: 120,
  /** Maximum seconds of tuning, so that `npm start` takes less than six minutes on two cores. */
  timeLimit: 130,
  settings: {
    reward: 'rules',
    task_options: { labelled: false },
    prompts_per_step: 32,
    group_size: 8,
    temperature: 0.9,
    // Tokens with a very high confidence are revealed together: a third of the forward passes, and answers are hardly worse.
    order: 'threshold',
    threshold: 0.98,
    // The upper bound weights a token by the confidence in it over the masked versions, so it needs more than two.
    mask_samples: 8,
    // The base model was not trained on prompts with masks.
    clean_token_masking: 0,
    inner_updates: 1,
    learning_rate: 1e-4,
    warmup_steps: 10,
    evaluate_every: 30,
    evaluation_problems: 64,
    checkpoint_every: 60,
  },
  /** The control continues the training of the base model: the same kind of examples, and the same optimiser. */
  control: {
    examples: sudokuExamples,
    batch: 64,
    labelled: labelledSudokus,
    settings: { learning_rate: 3e-4, warmup_steps: 20, max_grad_norm: 1 },
  },
} as const;
