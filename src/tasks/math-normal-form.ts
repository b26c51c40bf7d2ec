/**
 * The string form in which answers of MATH are compared, step by step as the dataset's own code (Hendrycks et al., MATH,
 * `math_equivalence.py`) and the released evaluators of d1 and SPG do. Throws where they do, so that a caller can fall
 * back on comparing the strings as they are.
 */
export function mathNormalForm(answer: string): string {
  let text = answer
    .replaceAll('\n', '')
    .replaceAll('\\!', '')
    .replaceAll('\\\\', '\\')
    .replaceAll('tfrac', 'frac')
    .replaceAll('dfrac', 'frac')
    .replaceAll('\\left', '')
    .replaceAll('\\right', '')
    .replaceAll('^{\\circ}', '')
    .replaceAll('^\\circ', '')
    .replaceAll('\\$', '');
  text = withoutUnit(text).replaceAll('\\%', '').replaceAll(' .', ' 0.').replaceAll('{.', '{0.');
  if (text === '') return text;
  if (text.startsWith('.')) text = `0${text}`;
  const sides = text.split('=');
  if (sides.length === 2 && sides[0].length <= 2) text = sides[1];
  text = bracedFractions(bracedRoots(text).replaceAll(' ', ''));
  if (text === '0.5') text = '\\frac{1}{2}';
  return slashToFraction(text);
}

class NoNormalForm extends Error {}

function withoutUnit(text: string): string {
  const parts = text.split('\\text{ ');
  if (parts.length > 2) throw new NoNormalForm();
  return parts[0];
}

/** `\sqrt3` becomes `\sqrt{3}`. */
function bracedRoots(text: string): string {
  const [head, ...rest] = text.split('\\sqrt');
  return (
    head +
    rest
      .map((part) => {
        if (part === '') throw new NoNormalForm();
        return part.startsWith('{') ? `\\sqrt${part}` : `\\sqrt{${part[0]}}${part.slice(1)}`;
      })
      .join('')
  );
}

/** `\frac12` and `\frac1{2}` get their braces; a lone `\fracX` leaves the whole text as it is. */
function bracedFractions(text: string): string {
  const [head, ...rest] = text.split('\\frac');
  let result = head;
  for (const part of rest) {
    if (part === '') throw new NoNormalForm();
    if (part.startsWith('{')) result += `\\frac${part}`;
    else if (part.length < 2) return text;
    else if (part[1] === '{') result += `\\frac{${part[0]}}${part.slice(1)}`;
    else result += `\\frac{${part[0]}}{${part[1]}}${part.slice(2)}`;
  }
  return result;
}

/** `a/b` of two whole numbers becomes a fraction; a slash between anything else has no normal form there. */
function slashToFraction(text: string): string {
  const parts = text.split('/');
  if (parts.length !== 2) return text;
  if (parts.every((part) => /^(0|-?[1-9]\d*)$/.test(part))) return `\\frac{${parts[0]}}{${parts[1]}}`;
  if (parts.every((part) => /^[+-]?\d+(_\d+)*$/.test(part))) return text;
  throw new NoNormalForm();
}

/** Equal in normal form, or as strings if one of them has no normal form. */
export function equalAsReleased(first: string, second: string): boolean {
  try {
    return mathNormalForm(first) === mathNormalForm(second);
  } catch (error) {
    if (error instanceof NoNormalForm) return first === second;
    throw error;
  }
}
