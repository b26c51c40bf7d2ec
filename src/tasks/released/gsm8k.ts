import { answerTags } from '../answer-text.ts';
import { tagCount } from '../tag-format.ts';
import type { Grade, Reward } from '../task.ts';

/**
 * The GSM8K part of the released evaluator of SPG and d1 (`eval/parse_and_get_acc.py`). Of a box it
 * takes the first number, of a tagged answer the last; without either, the last number before any `</answer>`.
 */
export function gradeGsm8kAsReleased(reference: number | null, completion: string): Grade {
  const answer =
    numberInBoxes(completion) ??
    numberIn(answerTags(completion)[0] ?? '', 'last') ??
    numberIn(untagged(completion), 'last');
  const correct = answer !== null && answer === reference;
  return {
    correct,
    extracted: answer === null ? null : String(answer),
    scores: { accuracy: { value: Number(correct), weight: 1 } },
  };
}

/** The released training reward: formats on one line of reasoning only, digits only, string equality. */
export function gsm8kRewardAsReleased(reference: string, completion: string): Reward {
  const answer = untagged(completion);
  const strict = /^<reasoning>\n[^\n]*\n<\/reasoning>\n<answer>\n[^\n]*\n<\/answer>\n\n?$/;
  const parts = {
    xml_count: tagCount(completion),
    soft_format: /^<reasoning>[^\n]*?<\/reasoning>\s*<answer>[^\n]*?<\/answer>/.test(completion) ? 0.5 : 0,
    strict_format: strict.test(completion) ? 0.5 : 0,
    integer: /^\d+$/.test(answer) ? 0.5 : 0,
    correctness: answer === reference ? 2 : 0,
  };
  return { total: Object.values(parts).reduce((sum, part) => sum + part, 0), parts };
}

/** The text after the last `<answer>`, or the whole text, up to the next `</answer>`. */
function untagged(text: string): string {
  const start = text.lastIndexOf('<answer>');
  return text
    .slice(start < 0 ? 0 : start + '<answer>'.length)
    .split('</answer>', 1)[0]
    .trim();
}

function numberInBoxes(text: string): number | null {
  let position = 0;
  for (;;) {
    const start = text.indexOf('\\boxed{', position);
    const end = start < 0 ? -1 : text.indexOf('}', start);
    if (end < 0) return null;
    position = start + '\\boxed{'.length;
    const content = text.slice(position, end);
    // The shortest match does not cross a line break; then the search continues after the mark.
    if (content.includes('\n')) continue;
    position = end;
    const found = /^\.*$/.test(content.trim()) ? null : numberIn(content, 'first');
    if (found !== null) return found;
  }
}

/** The text as Python's `float` reads it, otherwise its first or last run of digits. */
function numberIn(content: string, which: 'first' | 'last'): number | null {
  const text = content.trim();
  if (text === '') return null;
  if (/^[+-]?(inf|infinity)$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  const digits = String.raw`\d+(?:_\d+)*`;
  if (new RegExp(`^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:e[+-]?${digits})?$`, 'i').test(text)) {
    return Number(text.replaceAll('_', ''));
  }
  const runs = text.match(/-?\d+\.?\d*/g);
  return runs === null ? null : Number(runs.at(which === 'first' ? 0 : -1));
}
