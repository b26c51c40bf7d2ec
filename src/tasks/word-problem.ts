import { z } from 'zod';
import { UserError } from '../platform/errors.ts';
import { checkedRow } from './checked.ts';

/** A word problem; the question may be absent if only completions are graded. */
export interface WordProblem {
  readonly question?: string;
  readonly answer: string;
  /** The steps to the answer, if the data have them. */
  readonly reasoning?: string;
}

const text = z
  .union([z.string(), z.number()], { error: 'needs a text or a number' })
  .transform((value) => String(value).trim());

const recordSchema = z.object(
  {
    question: z.string().optional(),
    problem: z.string().optional(),
    prompt: z.string().optional(),
    answer: text.optional(),
    solution: z.string().optional(),
  },
  { error: 'a problem is an object with the fields question and answer' },
);

/**
 * Reads the field names of the public GSM8K and MATH files. `split` separates the answer field into the bare answer and
 * the steps before it.
 */
export function wordProblem(record: unknown, split: (solution: string) => Omit<WordProblem, 'question'>): WordProblem {
  const { question, problem, prompt, answer, solution } = checkedRow(recordSchema, record);
  const workedAnswer = answer ?? solution;
  if (workedAnswer === undefined) throw new UserError('answer: is missing.');
  const parts = split(workedAnswer);
  if (parts.answer === '') throw new UserError('answer: is empty.');
  const words = question ?? problem ?? prompt;
  // MATH files have the answer and, in a separate field, the worked solution.
  const reasoning = parts.reasoning ?? (answer === undefined ? undefined : solution);
  return {
    ...(words === undefined ? {} : { question: words }),
    answer: parts.answer,
    ...(reasoning === undefined ? {} : { reasoning }),
  };
}

/** Identifies a problem by its question, without case and spacing; by its answer if it has no question. */
export const wordProblemKeys = ({ question, answer }: WordProblem): readonly [string] => [
  question === undefined ? `answer ${answer}` : question.replace(/\s+/g, ' ').trim().toLowerCase(),
];

/** The question; throws a `UserError` if the row has none. */
export function questionOf(row: WordProblem, task: string): string {
  if (row.question === undefined) {
    throw new UserError(`A problem of ${task} has no question; give its row the field question.`);
  }
  return row.question;
}

export const respondInTags = `Respond in the following format:
<reasoning>
...
</reasoning>
<answer>
...
</answer>`;

/** The steps, if there are any, and the answer, in the tags that the prompt asks for. */
export function inTags(reasoning: string | undefined, answer: string): string {
  const steps = reasoning === undefined ? '' : `<reasoning>\n${reasoning}\n</reasoning>\n`;
  return `${steps}<answer>\n${answer}\n</answer>`;
}
