import { UsageError, UserError } from '../platform/errors.ts';
import { answerTags, lastBoxed, ownAnswer, taggedAnswer } from './answer-text.ts';
import { bareAnswer, equalAnswers } from './math-equality.ts';
import { boxedAsReleased } from './released/boxed.ts';
import { gradeMathAsReleased, mathRewardAsReleased } from './released/math.ts';
import { perCompletion } from './scorer.ts';
import type { Grade, PromptFormat, Reward, Task } from './task.ts';
import { inTags, questionOf, respondInTags, type WordProblem, wordProblem, wordProblemKeys } from './word-problem.ts';

/** MATH in the protocol of d1 and SPG (arXiv 2510.09541, appendix on rewards): the boxed answer, compared as a string. */
export const math: Task<WordProblem> = {
  name: 'math',
  description: 'MATH: competition problems, answered in a box; problems from a file.',
  metrics: ['accuracy'],
  rewards: ['reference', 'released'],
  completionLength: { tagged: 256, plain: 64 },
  parse,
  contentKeys: wordProblemKeys,
  prompt(row, format) {
    const question = questionOf(row, 'math');
    if (format === 'plain') return `${question}\n`;
    return `${respondInTags}\n\nSolve the following problem step by step, and put the final answer in \\boxed{}.\n\n${question}`;
  },
  solution: (row, format) => (format === 'plain' ? row.answer : inTags(row.reasoning, `\\boxed{${row.answer}}`)),
  scorer: perCompletion({ reward: mathReward, grade: gradeMath }),
};

function parse(record: unknown): WordProblem {
  return wordProblem(record, (solution) => {
    if (!solution.includes('\\boxed')) return { answer: solution };
    const answer = boxedAsReleased(solution)?.trim() ?? null;
    if (answer === null) throw new UserError('answer: its last \\boxed has no closing brace.');
    return { answer, reasoning: solution };
  });
}

/**
 * The sum of `format` (1 for a box inside the answer tags, 0.75 for tags only, 0.5 for a box only, else 0.25) and
 * `correctness` (2). `reference` looks for `\boxed`, as the paper means; `released` for a backspace and `oxed`, as the
 * released code does by mistake, so that 0.75 and 0.25 are its only values.
 */
export function mathReward(row: WordProblem, completion: string, name: string, format: PromptFormat): Reward {
  if (name === 'released') return mathRewardAsReleased(row.answer, completion);
  if (name !== 'reference') {
    throw new UsageError(`Unknown reward ${name} of math; it has ${math.rewards.join(', ')}.`);
  }
  const correctness = gradeMath(row, completion, { format, asReleased: false }).correct ? 2 : 0;
  if (format === 'plain') return { total: correctness, parts: { correctness } };
  const tagged = answerTags(completion).at(-1);
  const boxed = (tagged ?? completion).includes('\\boxed');
  const form = 0.5 * ((tagged === undefined ? 0 : 1) + (boxed ? 1 : 0.5));
  return { total: form + correctness, parts: { format: form, correctness } };
}

/** Reads the tagged answer, otherwise the boxed one; correct if it equals the reference (`equalAnswers`). */
export function gradeMath(
  row: WordProblem,
  completion: string,
  options: { format: PromptFormat; asReleased: boolean },
): Grade {
  if (options.asReleased) return gradeMathAsReleased(row.answer, completion);
  const own = ownAnswer(completion);
  const text = options.format === 'plain' ? own.trim() || null : (taggedAnswer(own) ?? lastBoxed(own));
  const answer = text === null ? null : bareAnswer(text);
  const correct = answer !== null && equalAnswers(answer, row.answer);
  return { correct, extracted: answer, scores: { accuracy: { value: Number(correct), weight: 1 } } };
}
