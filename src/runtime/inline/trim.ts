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
