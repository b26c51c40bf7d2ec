/**
 * The one way in which text from outside (models, file names, tests, messages of other programs) is shown: in the
 * terminal, in logs, in VS Code and in reports. Characters that control a terminal, that change the direction of text
 * (Unicode UAX #9; "Trojan Source", CVE-2021-42574) or that are invisible are replaced by their escapes, such as
 * `\u001b`. So such text cannot move the cursor, hide a part of itself, or look like another text.
 *
 * Kept: tabs, line breaks (except by `printableLine`), and the joiners U+200C and U+200D, which some scripts need.
 */
const unprintable =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression matches the control characters that are replaced
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Surrogate}/gu;

/** A text of several lines with every control, bidirectional and invisible character as its escape. */
export const printable = (text: string): string => text.replaceAll('\r\n', '\n').replace(unprintable, escaped);

/** `printable` for a text that must stay on one line: line breaks become `\n`, so that it cannot forge a line. */
export const printableLine = (text: string): string => printable(text).replaceAll('\n', '\\n');

/** A text of several lines without those characters, for texts that are stored or compared, such as a model's card. */
export const withoutControls = (text: string): string => text.replaceAll('\r\n', '\n').replace(unprintable, '');

/** JSON of a document in which those characters are escaped, so that it can be printed. It parses to the same document. */
export const printableJson = (document: unknown): string => JSON.stringify(document).replace(unprintable, escaped);

/** A character as JSON escapes it: one `\uXXXX` per UTF-16 unit. */
const escaped = (character: string): string =>
  Array.from({ length: character.length }, (_, unit) => character.charCodeAt(unit))
    .map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
    .join('');
