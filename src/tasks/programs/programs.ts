import { z } from 'zod';
import { UsageError } from '../../platform/errors.ts';
import { Random } from '../../platform/random.ts';
import { checkedOptions } from '../checked.ts';
import { code, codeScorer } from '../code/code.ts';
import type { CodeRow } from '../code/row.ts';
import type { Task } from '../task.ts';
import { bodyOf, drawProgram, headOf, type Program, type ProgramPart, partOf } from './program.ts';
import { drawTests } from './unit-tests.ts';
import { piecesOf } from './vocabulary.ts';

/** Number of tokens of a completion, including the end of text. */
const completionTokens = 40;

/**
 * Small TypeScript functions of one to four statements over numbers, strings, arrays and records, each with a description,
 * a signature and unit tests. A grammar generates any number of them. Validation and test problems have structures that no
 * training problem has. The tests run in the sandbox, outside the process of the candidate.
 */
export const programs: Task<CodeRow> = {
  ...code,
  name: 'programs',
  description: 'Write a small generated function that passes its unit tests',
  completionLength: { tagged: 512, plain: completionTokens },
  generate: (random, options) => generate(random, 'training', options),
  heldOut,
  scorer: codeScorer('programs'),
};

const pairError = 'needs a pair of whole numbers from 1 to 4 in ascending order';
const statementCount = z.int({ error: pairError }).min(1, { error: pairError }).max(4, { error: pairError });

const problemOptions = z.strictObject({
  /** If false, rows have no solution. */
  labelled: z.boolean().optional(),
  /** Minimum and maximum number of statements. */
  statements: z
    .tuple([statementCount, statementCount], { error: pairError })
    .refine(([least, most]) => least <= most, { error: pairError })
    .optional(),
});

function generate(random: Random, part: ProgramPart, options: Readonly<Record<string, unknown>>): CodeRow {
  const { labelled = true, statements = [1, 4] } = checkedOptions(problemOptions, 'programs', options);
  if (part !== 'training' && statements[1] === 1)
    throw new UsageError('Programs of one statement are for training only; allow two or more statements.');
  for (;;) {
    const program = drawProgram(random);
    if (program === null || !isWanted(program, part, statements)) continue;
    const tests = drawTests(random, program);
    if (tests === null) continue;
    const row: CodeRow = { prompt: headOf(program), tests, entry_point: 'f', language: 'typescript' };
    return labelled ? { ...row, solution: bodyOf(program) } : row;
  }
}

const isWanted = (program: Program, part: ProgramPart, [least, most]: readonly [number, number]): boolean =>
  program.statements.length >= least &&
  program.statements.length <= most &&
  partOf(program) === part &&
  piecesOf(bodyOf(program)).length < completionTokens;

/** Maximum number of held-out problems. */
const mostHeldOut = 10_000;

/** Held-out problems with different prompts. They are the same on every call, and a longer list begins with the shorter one. */
function heldOut(
  part: 'validation' | 'test',
  count: number,
  options: Readonly<Record<string, unknown>> = {},
): CodeRow[] {
  if (count > mostHeldOut)
    throw new UsageError(
      `The task programs has at most ${mostHeldOut} held-out problems, not ${count}; request fewer.`,
    );
  const random = new Random(0, 'programs', part);
  const rows = new Map<string, CodeRow>();
  while (rows.size < count) {
    const row = generate(random, part, options);
    if (!rows.has(row.prompt)) rows.set(row.prompt, row);
  }
  return [...rows.values()];
}
