import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { UserError } from '../platform/errors.ts';
import { hasSecret, workspaceFiles } from '../workspace/files.ts';
import type { IndexedText } from './segment.ts';

/** Characters of the longest file that is read. Longer ones are mostly data or generated. */
export const longestFile = 400_000;
/** Characters that are read of all folders together. The files that were changed most recently come first. */
const mostCharacters = 40_000_000;
/** Mean length of a line above which a text is data or minified code. */
const longestMeanLine = 200;

/** When a file was last read, to see whether it has changed. */
export interface FileVersion {
  readonly modified: number;
  readonly size: number;
}

/** A file of the workspace. */
export interface WorkspaceFile extends FileVersion {
  readonly name: string;
}

/** A path as names in the index have it: with forward slashes. */
export const indexName = (file: string): string => file.replaceAll('\\', '/');

/**
 * The own files of some folders that are not too long to read, most recently changed first, up to the bound on all characters. Files
 * that git ignores and files with names of secrets are left out (`workspaceFiles`). If a folder's files cannot be listed or are too many,
 * `problems` has the reason, and the folder has no files.
 */
export async function listTexts(folders: readonly string[]) {
  const problems: string[] = [];
  const files = new Map<string, WorkspaceFile>();
  for (const folder of folders) {
    try {
      for (const file of await workspaceFiles(folder)) {
        const place = path.join(folder, file);
        const entry = await stat(place).catch(() => null);
        if (!entry?.isFile() || entry.size === 0 || entry.size > longestFile) continue;
        const name = indexName(place);
        files.set(name, { name, modified: entry.mtimeMs, size: entry.size });
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(error.message);
    }
  }
  let characters = 0;
  const bounded: WorkspaceFile[] = [];
  for (const file of [...files.values()].sort((a, b) => b.modified - a.modified || (a.name < b.name ? -1 : 1))) {
    characters += file.size;
    if (characters > mostCharacters) {
      problems.push(
        `Only the ${bounded.length} most recently changed of ${files.size} files are read, ${mostCharacters / 1_000_000} MB in all.`,
      );
      break;
    }
    bounded.push(file);
  }
  return { files: bounded, problems };
}

/** A file's text; null if it is gone, unreadable, or nothing to copy from. */
export async function readText(name: string): Promise<IndexedText | null> {
  const bytes = await readFile(name).catch(() => null);
  if (bytes === null || bytes.length > longestFile || bytes.includes(0)) return null;
  const text = bytes.toString('utf8');
  return isCopyable(text) ? { name, text } : null;
}

/** Whether a text is text of lines, without what looks like a key. */
export function isCopyable(text: string): boolean {
  if (text.length > longestFile || text.trim() === '' || text.includes('\uFFFD') || text.includes('\0')) return false;
  let lines = 1;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines++;
  return text.length / lines <= longestMeanLine && !hasSecret(text);
}
