import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../../platform/errors.ts';
import { languageOf } from '../../syntax/trees.ts';
import { workspaceFiles } from '../../workspace/files.ts';
import type { SourceFile } from './corpus.ts';

/** Maximum number of characters of a file. */
const longest = 100_000;

/**
 * The folder's own source files in all languages with a grammar, by path, with Unix line ends. Throws a `UserError`
 * if there are none.
 */
export async function readSources(folder: string): Promise<SourceFile[]> {
  const names = (await workspaceFiles(folder)).filter((name) => languageOf(name) !== null);
  const files = await Promise.all(
    names.map(async (name) => {
      const text = await readFile(path.join(folder, name), 'utf8');
      return { package: folder, path: name, text: text.replaceAll('\r\n', '\n') };
    }),
  );
  const readable = files.filter(({ text }) => text.trim() !== '' && text.length <= longest && !text.includes('\0'));
  if (readable.length === 0)
    throw new UserError(`${folder} contains no readable source file; give a folder with source code.`);
  return readable;
}
