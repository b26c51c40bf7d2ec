import path from 'node:path';

/** The endings that an import may leave out, and the names of files that are imported by their folder. */
const endings = [
  '',
  '.ts',
  '.tsx',
  '.js',
  '.jsx',
  '.mjs',
  '.cjs',
  '.mts',
  '.cts',
  '.vue',
  '.svelte',
  '.py',
  '.rs',
  '.go',
  '.java',
];
const folderFiles = ['index.ts', 'index.tsx', 'index.js', 'index.mjs', '__init__.py', 'mod.rs'];

/**
 * The files that a file imports, among those of an index. `imports` are as they are written in the source (`importsOf`): paths relative to
 * the file, or names with dots or colons, which are looked for next to the file and in the folders above it.
 */
export function importedFiles(file: string, imports: readonly string[], has: (name: string) => boolean): Set<string> {
  const found = new Set<string>();
  for (const written of imports) {
    const target =
      written.startsWith('./') || written.startsWith('../')
        ? relativeTarget(file, written, has)
        : dottedTarget(file, written, has);
    if (target !== null) found.add(target);
  }
  return found;
}

function relativeTarget(file: string, written: string, has: (name: string) => boolean): string | null {
  const place = path.posix.join(path.posix.dirname(file), written);
  // In TypeScript, `./a.js` is written for `a.ts`.
  const stem = place.replace(/\.([cm]?)jsx?$/, '');
  return firstOf(
    [...endings.map((ending) => place + ending), ...endings.map((ending) => stem + ending), ...inFolder(place)],
    has,
  );
}

function dottedTarget(file: string, written: string, has: (name: string) => boolean): string | null {
  const parts = written
    .replace(/^(crate|self|super)::/, '')
    .split(/[.:/]+/)
    .filter((part) => /^\w+$/.test(part));
  if (parts.length === 0) return null;
  for (let folder = path.posix.dirname(file); ; folder = path.posix.dirname(folder)) {
    // The last name may be a symbol of the file.
    for (const names of [parts, parts.slice(0, -1)]) {
      if (names.length === 0) continue;
      const place = path.posix.join(folder, ...names);
      const target = firstOf([...endings.slice(1).map((ending) => place + ending), ...inFolder(place)], has);
      if (target !== null && target !== file) return target;
    }
    if (folder === path.posix.dirname(folder)) return null;
  }
}

const inFolder = (place: string): string[] => folderFiles.map((name) => path.posix.join(place, name));
const firstOf = (names: readonly string[], has: (name: string) => boolean): string | null => names.find(has) ?? null;

/** Whether two files are in the same folder. */
export const inSameFolder = (one: string, other: string): boolean =>
  path.posix.dirname(one) === path.posix.dirname(other);
