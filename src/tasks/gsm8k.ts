import { UsageError, UserError } from '../platform/errors.ts';
import { lastBoxed, ownAnswer, taggedAnswer, unwrapped } from './answer-text.ts';
import { asNumber, sameNumber, statedNumber } from './number-text.ts';
import { gradeGsm8kAsReleased, gsm8kRewardAsReleased } from './released/gsm8k.ts';
import { perCompletion } from './scorer.ts';
import { softFormat, strictFormat, tagCount } from './tag-format.ts';
import type { Grade, PromptFormat, Reward, Task } from './task.ts';
import { inTags, questionOf, respondInTags, type WordProblem, wordProblem, wordProblemKeys } from './word-problem.ts';

/** GSM8K in the protocol of d1 and SPG (arXiv 2510.09541, appendix on rewards): word problems with a number as the answer. */
export const gsm8k: Task<WordProblem> = {
  name: 'gsm8k',
  description: 'GSM8K: grade-school word problems with a number as the answer; problems from a file.',
  metrics: ['accuracy'],
  rewards: ['reference', 'released'],
  completionLength: { tagged: 256, plain: 16 },
  parse,
  contentKeys: wordProblemKeys,
  prompt(row, format) {
    const question = questionOf(row, 'gsm8k');
    return format === 'plain' ? `${question}\n` : `${respondInTags}\n\n${question}`;
  },
  solution: (row, format) => (format === 'plain' ? row.answer : inTags(row.reasoning, row.answer)),
  scorer: perCompletion({ reward: gsm8kReward, grade: gradeGsm8k }),
};

function parse(record: unknown): WordProblem {
  const row = wordProblem(record, (solution) => {
    const mark = solution.lastIndexOf('####');
    if (mark < 0) return { answer: solution };
    // The published solutions contain calculator annotations, which are not part of the text.
    const reasoning = solution
      .slice(0, mark)
      .replace(/<<[^<>]*>>/g, '')
      .trim();
    const answer = solution.slice(mark + '####'.length).trim();
    return reasoning === '' ? { answer } : { answer, reasoning };
  });
  if (asNumber(row.answer) === null) throw new UserError(`answer: ${row.answer} is not a number.`);
  return row;
}

/**
 * The sum of `xml_count` (up to 0.5), `soft_format` and `strict_format` (0.5 each), `integer` (0.5) and `correctness`
 * (2). `reference` lets the reasoning run over several lines, as the paper means; `released` keeps the released code's
 * expressions, which no such reasoning matches, and its string comparison. A plain completion has no tags, so it gets no reward for them.
 */
export function gsm8kReward(row: WordProblem, completion: string, name: string, format: PromptFormat): Reward {
  if (name === 'released') return gsm8kRewardAsReleased(row.answer, completion);
  if (name !== 'reference') {
    throw new UsageError(`Unknown reward ${name} of gsm8k; it has ${gsm8k.rewards.join(', ')}.`);
  }
  const answer = format === 'plain' ? completion.trim() : taggedAnswer(completion);
  const tags = {
    xml_count: tagCount(completion),
    soft_format: softFormat(completion) ? 0.5 : 0,
    strict_format: strictFormat(completion) ? 0.5 : 0,
  };
  const parts = {
    ...(format === 'plain' ? {} : tags),
    integer: answer !== null && /^[+-]?(\d+|\d{1,3}(,\d{3})+)$/.test(answer) ? 0.5 : 0,
    correctness: gradeGsm8k(row, completion, { format, asReleased: false }).correct ? 2 : 0,
  };
  return { total: Object.values(parts).reduce((sum, part) => sum + part, 0), parts };
}

/** Reads the tagged answer, otherwise the boxed one, otherwise the one after `####`; correct if it equals the reference. */
export function gradeGsm8k(
  row: WordProblem,
  completion: string,
  options: { format: PromptFormat; asReleased: boolean },
): Grade {
  const reference = asNumber(row.answer);
  if (options.asReleased) return gradeGsm8kAsReleased(reference, completion);
  const own = ownAnswer(completion);
  const text = options.format === 'plain' ? own : (taggedAnswer(own) ?? lastBoxed(own));
  const answer = text === null ? numberAfterHashes(own) : statedNumber(unwrapped(text));
  const correct = sameNumber(answer, reference) || (text !== null && sameNumber(dozensIn(unwrapped(text)), reference));
  return {
    correct,
    extracted: answer === null ? null : String(answer),
    scores: { accuracy: { value: Number(correct), weight: 1 } },
  };
}

/** "5 dozen" is also the answer to how many dozens there are. */
const dozensIn = (text: string): number | null => asNumber(/^(.*\d)\s*dozens?\b[^\d]*$/i.exec(text)?.[1] ?? '');

/** The last number after `####`, where headings of the same level have none; a line that is only a number comes first. */
function numberAfterHashes(text: string): number | null {
  const lines = text
    .split('####')
    .slice(1)
    .map((part) => unwrapped(part.trim().split('\n', 1)[0] as string));
  const last = (read: (line: string) => number | null) =>
    lines.map(read).findLast((number): number is number => number !== null) ?? null;
  return last(asNumber) ?? last(statedNumber);
}
