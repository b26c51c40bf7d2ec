import { answerTags } from '../answer-text.ts';
import { readArithmetic } from '../arithmetic.ts';
import type { Grade } from '../task.ts';
import { boxedAsReleased } from './boxed.ts';

/** The Countdown part of the released evaluator of SPG and d1 (`eval/parse_and_get_acc.py`). */
export function gradeCountdownAsReleased(completion: string, numbers: readonly number[], target: number): Grade {
  const text = boxedAsReleased(completion) ?? answerTags(completion)[0] ?? completion;
  const operators = text.replaceAll('\\div', '/').replaceAll('\\times', '*').replaceAll('\\cdot', '*');
  const equation = leftOfFirstResult(operators) ?? operators;
  const format = hasNumbers(equation, numbers);
  const correct = format && makes(equation, target);
  return {
    correct,
    extracted: equation,
    scores: { solved: { value: Number(correct), weight: 1 }, format: { value: Number(format), weight: 1 } },
  };
}

/** The released training reward: any closed answer that is wrong gets 0.1; `answer` is undefined if there is none. */
export function countdownRewardAsReleased(
  answer: string | undefined,
  numbers: readonly number[],
  target: number,
): number {
  if (answer === undefined) return 0;
  return hasNumbers(answer, numbers) && makes(answer, target) ? 1 : 0.1;
}

/** Compares runs of digits as the released code does, so that 1.5 counts as a 1 and a 5. */
function hasNumbers(equation: string, numbers: readonly number[]): boolean {
  return ascending((equation.match(/\d+/g) ?? []).map(Number)) === ascending(numbers);
}

function makes(equation: string, target: number): boolean {
  const read = /^[\d+\-*/().\s]+$/.test(equation) ? readArithmetic(equation, true) : null;
  return read !== null && Math.abs(read.value - target) < 1e-5;
}

/** The expression before the first `=` that has one on its left and a number on its right: `([0-9+\-*\/() ]+)=[0-9. ]+`. */
function leftOfFirstResult(text: string): string | null {
  for (let equals = text.indexOf('='); equals >= 0; equals = text.indexOf('=', equals + 1)) {
    let start = equals;
    while (start > 0 && /[0-9+\-*/() ]/.test(text[start - 1])) start--;
    if (start < equals && /[0-9. ]/.test(text[equals + 1] ?? '')) return text.slice(start, equals).trim();
  }
  return null;
}

function ascending(numbers: readonly number[]): string {
  return [...numbers].sort((first, second) => first - second).join(',');
}
