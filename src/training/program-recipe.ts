import { characterSpecials, pieceTokenizer, Tokenizer } from '../model/tokenizer.ts';
import { Random } from '../platform/random.ts';
import { programs } from '../tasks/programs/programs.ts';
import { programPieces, programVocabulary } from '../tasks/programs/vocabulary.ts';
import type { Task } from '../tasks/task.ts';
import type { Example } from './masked-diffusion-loss.ts';
import type { Curriculum, Recipe } from './recipe.ts';
import { taskExample } from './task-example.ts';
import { evaluateOnTasks } from './task-validation.ts';

/** The number of programs with a solution. They are few, so that something is left to learn from tests alone. */
export const labelledPrograms = 4000;

/** The labelled programs, which are always the same. They are encoded when they are first used. */
let encoded: readonly Example[] | undefined;
function labelled(): readonly Example[] {
  if (!encoded) {
    const tokenizer = new Tokenizer(pieceTokenizer(programVocabulary(), programPieces));
    const random = new Random(0, 'labelled programs');
    encoded = Array.from({ length: labelledPrograms }, () =>
      taskExample(tokenizer, programs as Task, programs.generate!(random, {})),
    );
  }
  return encoded;
}

/** A batch of the labelled programs, drawn with replacement. */
export const programExamples = (count: number, random: Random): Example[] =>
  Array.from({ length: count }, () => random.pick(labelled()));

const curriculum = (): Curriculum => ({
  data: [
    `${labelledPrograms} generated TypeScript functions of one to four statements, each with a description, a signature and a body.`,
    'Functions of the structures that validation and test hold out were not used.',
  ],
  tokenizer: pieceTokenizer(programVocabulary(), programPieces),
  specials: characterSpecials,
  examples: (_step, batchSize, random) => [programExamples(batchSize, random)],
  bestBy: programs.metrics[0],
  evaluate: (model, problems, context) =>
    evaluateOnTasks(
      model,
      [{ task: programs as Task, rows: programs.heldOut!('validation', problems) }],
      problems,
      context,
    ),
});

/** A base model for the task `programs`, which knows some of its operations well and others hardly. */
export const programRecipe: Recipe = {
  name: 'programs',
  description: 'A small model of generated TypeScript functions',
  modelName: 'unmask-programs',
  preset: 'nano-0.5m',
  ropeTheta: 100,
  generation: { prompt_format: 'plain', block_length: 40, tokens_per_step: 1 },
  settings: {
    learning_rate: 2e-3,
    warmup_steps: 50,
    max_grad_norm: 1,
    batch_size: 64,
  },
  steps: 2000,
  prepare: async () => curriculum(),
};
