import type { Random } from '../platform/random.ts';
import { bundledModels } from '../protocol/bundled-models.ts';
import type { Example } from '../training/masked-diffusion-loss.ts';
import { labelledPrograms, programExamples } from '../training/program-recipe.ts';
import { labelledSudokus, sudokuExamples } from '../training/puzzle-recipe.ts';

/** How `unmask start` shows a gain: a bundled model is tuned with SPG, and a control is trained on the model's own labels. */
export interface StartSettings {
  readonly task: string;
  readonly objective: string;
  readonly model: string;
  /** Number of held-out problems. */
  readonly problems: number;
  readonly steps: number;
  /** Maximum seconds of tuning. */
  readonly timeLimit: number;
  readonly settings: Readonly<Record<string, unknown>>;
  /** The control continues the base model's own training, with the same examples and the same optimiser. */
  readonly control: {
    readonly examples: (count: number, random: Random) => Example[];
    readonly batch: number;
    readonly settings: Readonly<Record<string, unknown>>;
  };
  /** Texts of the terminal and the report. */
  readonly text: {
    readonly title: string;
    /** The word for a problem, in the singular and the plural. */
    readonly problem: readonly [string, string];
    /** The labelled data that the base model was trained on. */
    readonly labelled: string;
    /** A sentence about the problems and the reward. */
    readonly reward: string;
    /** A clause that says why held-out problems are not in the training data. */
    readonly heldOut: string;
  };
  /** Tokens per line of a completion that is shown; absent: the text is shown as it is. */
  readonly columns?: number;
}

/** Settings that both tasks share. */
const shared = {
  task_options: { labelled: false },
  group_size: 8,
  temperature: 0.9,
  // Revealing tokens of high confidence together takes a third of the forward passes and hardly changes the answers.
  order: 'threshold',
  threshold: 0.98,
  // The base model was not trained on prompts that contain masks.
  clean_token_masking: 0,
  inner_updates: 1,
  learning_rate: 1e-4,
  warmup_steps: 10,
  evaluate_every: 30,
  evaluation_problems: 64,
  checkpoint_every: 60,
} as const;

/** SPG on new Sudokus without labels. The settings were chosen on validation puzzles; docs/experiments.md describes the search. */
const sudoku: StartSettings = {
  task: 'sudoku4x4',
  objective: 'spg-mixture',
  model: bundledModels.puzzles,
  problems: 256,
  steps: 120,
  // `npm start` takes less than six minutes on two cores.
  timeLimit: 130,
  settings: {
    reward: 'rules',
    ...shared,
    prompts_per_step: 32,
    // The upper bound weights a token by the model's confidence over its masked versions, so two of them are too few.
    mask_samples: 8,
  },
  control: {
    examples: sudokuExamples,
    batch: 64,
    settings: { learning_rate: 3e-4, warmup_steps: 20, max_grad_norm: 1 },
  },
  text: {
    title: 'SPG on 4x4 Sudoku',
    problem: ['puzzle', 'puzzles'],
    labelled: `${labelledSudokus} labelled puzzles`,
    reward: 'The puzzles were new and had no solutions; the reward is a check of the rules.',
    heldOut: 'whose solution grids are not in the training data',
  },
  columns: 4,
};

/** SPG on new programs without solutions, whose unit tests run in the sandbox. The settings are those for Sudokus, not searched. */
const programs: StartSettings = {
  task: 'programs',
  objective: 'spg-mixture',
  model: bundledModels.programs,
  problems: 256,
  steps: 120,
  timeLimit: 480,
  settings: {
    reward: 'tests',
    ...shared,
    prompts_per_step: 8,
    mask_samples: 4,
  },
  control: {
    examples: programExamples,
    batch: 32,
    settings: { learning_rate: 3e-4, warmup_steps: 20, max_grad_norm: 1 },
  },
  text: {
    title: 'SPG on small programs',
    problem: ['program', 'programs'],
    labelled: `${labelledPrograms} labelled programs`,
    reward: 'The programs were new and had no solutions; the reward is their unit tests, which run in the sandbox.',
    heldOut: 'whose structures are not in the training data',
  },
};

/** The settings of `unmask start`, by task. */
export const startSettings = { sudoku4x4: sudoku, programs } as const;
export type StartTask = keyof typeof startSettings;
