import { parseSource } from './trees.ts';

/**
 * Whether the cursor is in a comment or in a string, according to the grammar. Null: in neither, or there is no
 * grammar.
 */
export async function commentOrStringAt(
  languageId: string,
  text: string,
  offset: number,
): Promise<'comment' | 'string' | null> {
  const tree = await parseSource(languageId, text);
  if (!tree) return null;
  try {
    // The character before the cursor decides: at the end of a comment, typing continues the comment.
    let node = tree.rootNode.descendantForIndex(Math.max(0, offset - 1), offset);
    while (node) {
      const { type, startIndex, endIndex } = node;
      const isLine = /^line_comment$|^comment$/.test(type) && !node.text.startsWith('/*');
      const isInside = startIndex < offset && (offset < endIndex || (isLine && offset === endIndex));
      if (/substitution|interpolation/.test(type) && isInside) return null;
      if (/comment/.test(type) && isInside) return 'comment';
      if (
        /^(string|string_literal|template_string|char_literal|raw_string_literal|interpreted_string_literal|encapsed_string|regex)$/.test(
          type,
        ) &&
        isInside
      )
        return 'string';
      node = node.parent;
    }
    return null;
  } finally {
    tree.delete();
  }
}
