import { depthOf, lineBefore, type TextAtCursor } from './text-at-cursor.ts';

/**
 * Cuts a completion to what belongs where the cursor stands: one line where one is wanted; of several, those that are
 * indented as deep as the place asks for, with the line that closes the block; whole lines only where the model came to
 * no end. White space at the end goes.
 */
export function trimCompletion(
  text: string,
  at: TextAtCursor,
  { singleLine, ended }: { readonly singleLine: boolean; readonly ended: boolean },
): string {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  if (singleLine) return (lines[0] as string).trimEnd();
  // The last line of a text that was cut off says half of something.
  const whole = ended || lines.length === 1 ? lines : lines.slice(0, -1);
  return withinBlock(whole, lineBefore(at)).join('\n').trimEnd();
}

/** Whether what is written behind this text would be cut off from a completion of several lines. */
export function leavesBlock(text: string, at: TextAtCursor): boolean {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  return withinBlock(lines, lineBefore(at)).length < lines.length;
}

/** The lines up to the first one that leaves the block they begin in, or open; the line that closes an opened one is kept. */
function withinBlock([first, ...others]: readonly string[], before: string): string[] {
  const kept = [first as string];
  const depth = depthOf(before + first);
  const opensOne = /([{([:]|=>)\s*$/.test(before + first);
  for (const line of others) {
    const leaves = line.trim() !== '' && depthOf(line) <= depth && (opensOne || depthOf(line) < depth);
    if (!leaves) kept.push(line);
    else {
      if (opensOne && depthOf(line) === depth && /^\s*[)\]}]/.test(line)) kept.push(line);
      break;
    }
  }
  return kept;
}

/**
 * A completion without what stands behind the cursor already: the longest of its ends that the following text begins with.
 * A closing bracket stays where it closes one of the completion's own.
 */
export function withoutOverlap(text: string, suffix: string): string {
  const following = suffix.replaceAll('\r\n', '\n');
  for (let length = Math.min(text.length, following.length); length > 0; length--) {
    const tail = text.slice(-length);
    if (!following.startsWith(tail)) continue;
    if (tail.trim() === '') return text;
    if (/^[)\]}>;,\s]+$/.test(tail) && isBalanced(text)) continue;
    return text.slice(0, -length);
  }
  return text;
}

function isBalanced(text: string): boolean {
  const open: string[] = [];
  const pairs: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
  for (const character of text) {
    if ('([{'.includes(character)) open.push(character);
    else if (character in pairs && open.pop() !== pairs[character]) return false;
  }
  return open.length === 0;
}
