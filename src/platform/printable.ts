/** Without the control characters that would steer a terminal, but for tabs and ends of lines: for somebody else's text. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is meant
export const printable = (text: string): string => text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '');
