import { labelledSudokus, sudokuExamples } from '../training/puzzle-recipe.ts';

/**
 * What `npm start` does, chosen on validation puzzles of the training grids (docs/experiments.md has the search): SPG
 * on fresh Sudokus that carry no label, only a check of the rules.
 */
export const startRecipe = {
  task: 'sudoku4x4',
  objective: 'spg-mixture',
  /** Held-out puzzles of the test grids. */
  problems: 256,
  steps: 120,
  /** Seconds of tuning at most, so that the whole stays under six minutes on two cores. */
  timeLimit: 130,
  settings: {
    reward: 'rules',
    task_options: { labelled: false },
    prompts_per_step: 32,
    group_size: 8,
    temperature: 0.9,
    // Tokens that the model is nearly sure of are revealed together: a third of the forward passes, hardly a worse answer.
    order: 'threshold',
    threshold: 0.98,
    // The upper bound weighs a token by the confidence in it over the masked versions, so it wants more than two.
    mask_samples: 8,
    // The base never saw a prompt with masks.
    clean_token_masking: 0,
    inner_updates: 1,
    learning_rate: 1e-4,
    warmup_steps: 10,
    evaluate_every: 30,
    evaluation_problems: 64,
    checkpoint_every: 60,
  },
  /** The control goes on where the base's own training left off: the same examples, the same optimiser. */
  control: {
    examples: sudokuExamples,
    batch: 64,
    labelled: labelledSudokus,
    settings: { learning_rate: 3e-4, warmup_steps: 20, max_grad_norm: 1 },
  },
} as const;
