import { depthOf, lineBefore, type TextAtCursor } from './text-at-cursor.ts';

/**
 * Trims a completion to the cursor's block: to its first line in single-line mode, else to the lines within the block and
 * the line that closes it. An unfinished last line is removed, and so is white space at the end.
 */
export function trimCompletion(
  text: string,
  at: TextAtCursor,
  { singleLine, ended }: { readonly singleLine: boolean; readonly ended: boolean },
): string {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  if (singleLine) return (lines[0] as string).trimEnd();
  // The last line of a text that has not ended is incomplete.
  const whole = ended || lines.length === 1 ? lines : lines.slice(0, -1);
  return withinBlock(whole, lineBefore(at)).join('\n').trimEnd();
}

/** Whether a multi-line completion leaves the cursor's block, so that further text would be cut off. */
export function leavesBlock(text: string, at: TextAtCursor): boolean {
  const lines = text.replaceAll('\r\n', '\n').split('\n');
  return withinBlock(lines, lineBefore(at)).length < lines.length;
}

/** The lines before the first one outside the block; includes the closing line of a block that they open. */
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
