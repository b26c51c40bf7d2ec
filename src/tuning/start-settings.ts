import { labelledSudokus, sudokuExamples } from '../training/puzzle-recipe.ts';

/**
 * The settings of `npm start`: SPG on new Sudokus without labels, where the reward only checks the rules. They were
 * chosen on validation puzzles of the training grids; docs/experiments.md describes the search.
 */
export const startSettings = {
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
    // Revealing tokens of high confidence together takes a third of the forward passes and hardly changes the answers.
    order: 'threshold',
    threshold: 0.98,
    // The upper bound weights a token by the model's confidence over its masked versions, so two of them are too few.
    mask_samples: 8,
    // The base model was not trained on prompts that contain masks.
    clean_token_masking: 0,
    inner_updates: 1,
    learning_rate: 1e-4,
    warmup_steps: 10,
    evaluate_every: 30,
    evaluation_problems: 64,
    checkpoint_every: 60,
  },
  /** The control continues the base model's own training, with the same examples and the same optimiser. */
  control: {
    examples: sudokuExamples,
    batch: 64,
    labelled: labelledSudokus,
    settings: { learning_rate: 3e-4, warmup_steps: 20, max_grad_norm: 1 },
  },
} as const;
