import { withoutOverlap } from '../../infilling/overlap.ts';
import { openQuote, scanBrackets } from '../../syntax/brackets.ts';
import { lineAfter, lineBefore, type TextAtCursor } from './text-at-cursor.ts';

/**
 * Closing brackets and quotes that follow the cursor directly. Editors insert them when the user types the opening ones, so a
 * suggestion may repeat them anywhere, and not only at its end.
 */
function closersAfter(at: TextAtCursor): string {
  const [closers] = /^[)\]}'"`]*/.exec(lineAfter(at)) as RegExpExecArray;
  const quote = openQuote(lineBefore(at));
  // A quote closes the string that is open at the cursor; any other quote opens a string.
  const other = [...closers].findIndex(
    (character, index) => '\'"`'.includes(character) && !(index === 0 && character === quote),
  );
  return other === -1 ? closers : closers.slice(0, other);
}

/**
 * A suggestion without the end that follows the cursor already, and such that the text around the closing characters stays balanced.
 * If it would leave a bracket or quote open, it is cut off before: `describe('fi|')` with `rst', () => {` becomes `describe('first')`.
 */
export function fittedToSuffix(text: string, at: TextAtCursor): string {
  const fitted = withoutOverlap(text, at.suffix);
  if (closersAfter(at) === '') return fitted;
  const quote = openQuote(lineBefore(at));
  const { closes, opens } = scanBrackets(fitted, quote);
  if (opens.length === 0) return fitted;
  // The end may close what the suggestion opens itself: `print("he|")` with `llo", end="")`.
  if (scanBrackets(text, quote).opens.length === 0) return text;
  const cut = Math.min(...[...opens, ...closes].map(({ offset }) => offset));
  return fitted.slice(0, cut).replace(/[\s,]+$/, '');
}

/**
 * Number of characters after the cursor that a suggestion replaces because it contains them: the closing characters that it closes
 * itself, and punctuation after them with which it ends.
 */
export function coveredAfterCursor(text: string, at: TextAtCursor): number {
  const closers = closersAfter(at);
  if (closers === '') return 0;
  const { closes } = scanBrackets(text, openQuote(lineBefore(at)));
  let covered = 0;
  while (covered < closers.length && closes[covered]?.character === closers[covered]) covered++;
  if (covered === 0 || covered < closers.length) return covered;
  const [punctuation] = /^[;,]?/.exec(lineAfter(at).slice(covered)) as RegExpExecArray;
  return punctuation !== '' && text.endsWith(punctuation) ? covered + 1 : covered;
}
