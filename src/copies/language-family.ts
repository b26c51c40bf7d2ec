import path from 'node:path';

/**
 * Files whose text can be copied into each other. JavaScript and TypeScript are one family, and so are the languages of C; any other
 * ending is a separate family.
 */
export function familyOf(name: string): string {
  const ending = path.extname(name).slice(1).toLowerCase();
  if (/^[cm]?[jt]sx?$|^vue$|^svelte$|^astro$/.test(ending)) return 'javascript';
  if (/^[ch](pp|xx|c|h)?$|^cc$|^hh$|^m$|^mm$|^ino$/.test(ending)) return 'c';
  return ending;
}
