import { matchingBrace } from '../answer-text.ts';

/**
 * The boxed answer as the released evaluator reads it: the text after the last `\boxed ` with a space, up to the next `$`;
 * otherwise the last `\boxed{…}`, or the last `\fbox{…}` including `\fbox{}`; otherwise the whole text. Null if the braces
 * are not closed.
 */
export function boxedAsReleased(text: string): string | null {
  const spaced = text.lastIndexOf('\\boxed ');
  if (spaced >= 0) return text.slice(spaced + '\\boxed '.length).split('$', 1)[0];
  const boxed = text.lastIndexOf('\\boxed');
  const start = boxed >= 0 ? boxed : text.lastIndexOf('\\fbox');
  if (start < 0) return text;
  const end = matchingBrace(text, start);
  if (end < 0) return null;
  const box = text.slice(start, end + 1);
  return box.startsWith('\\boxed{') ? box.slice('\\boxed{'.length, -1) : box;
}
