/**
 * Removes the control characters that could control a terminal, except tabs and line ends, from text that somebody
 * else wrote.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
export const printable = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
