import { answerTags } from '../answer-text.ts';
import { equalAsReleased } from '../math-normal-form.ts';
import type { Grade, Reward } from '../task.ts';
import { boxedAsReleased } from './boxed.ts';

/** The MATH part of the released evaluator of SPG and d1 (`eval/parse_and_get_acc.py`). */
export function gradeMathAsReleased(reference: string, completion: string): Grade {
  const boxed = boxedAsReleased(completion);
  // The first tagged answer replaces an empty box; if there is none, the empty box counts.
  const answer = boxed || (answerTags(completion)[0] ?? boxed);
  const correct = answer !== null && equalAsReleased(answer, reference);
  return { correct, extracted: answer, scores: { accuracy: { value: Number(correct), weight: 1 } } };
}

/** The released training reward: an opening tag is enough, and the box is never found. */
export function mathRewardAsReleased(reference: string, completion: string): Reward {
  const tagged = completion.split('<answer>')[1]?.split('</answer>')[0];
  const form = 0.5 * ((tagged === undefined ? 0 : 1) + ((tagged ?? completion).includes('\boxed') ? 1 : 0.5));
  const correctness = equalAsReleased(boxedAsReleased(completion) ?? completion, reference) ? 2 : 0;
  return { total: form + correctness, parts: { format: form, correctness } };
}
