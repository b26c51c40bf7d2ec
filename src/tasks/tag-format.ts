/** How closely a completion follows the form `<reasoning>…</reasoning><answer>…</answer>`, each tag on its own line. */

/**
 * 0.125 for each of the four tags that occurs exactly once with its line breaks, minus 0.001 per character after the
 * opening answer tag and per character but one after the closing one. As in d1 and SPG (arXiv 2510.09541, rewards).
 */
export function tagCount(text: string): number {
  const count = (tag: string): number => text.split(tag).length - 1;
  const lengthAfter = (tag: string): number => text.split(tag).at(-1)!.length;
  let total = 0;
  if (count('<reasoning>\n') === 1) total += 0.125;
  if (count('\n</reasoning>\n') === 1) total += 0.125;
  if (count('\n<answer>\n') === 1) total += 0.125 - 0.001 * lengthAfter('\n<answer>\n');
  if (count('\n</answer>') === 1) total += 0.125 - 0.001 * (lengthAfter('\n</answer>') - 1);
  return total;
}

/** Both pairs of tags in order from the start of the text, over any number of lines. */
export function softFormat(text: string): boolean {
  const between = /<\/reasoning>\s*<answer>/.exec(text);
  return (
    text.startsWith('<reasoning>') && between !== null && text.includes('</answer>', between.index + between[0].length)
  );
}

/** Each tag on its own line, with nothing before the first or after the last. */
export function strictFormat(text: string): boolean {
  const head = '<reasoning>\n';
  const middle = '\n</reasoning>\n<answer>\n';
  const tail = '\n</answer>';
  const trimmed = text.trimEnd();
  const between = trimmed.indexOf(middle, head.length);
  return (
    trimmed.startsWith(head) &&
    between >= 0 &&
    trimmed.endsWith(tail) &&
    between + middle.length <= trimmed.length - tail.length
  );
}
