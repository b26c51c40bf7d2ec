import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { printable } from '../platform/printable.ts';
import { licenceIn } from './repository.ts';

/** A model's card: `README.md`, whose header in YAML says what programs want to know. */
export interface Card {
  /** The whole text; empty where there is none. */
  readonly text: string;
  /** Its first heading. */
  readonly title: string;
  readonly licence: string | null;
}

export async function readCard(folder: string): Promise<Card> {
  const text = printable(await readFile(path.join(folder, 'README.md'), 'utf8').catch(() => ''));
  return { text, title: /^# (.+)$/m.exec(text)?.[1] ?? '', licence: licenceIn(headerOf(text)) };
}

/** The header between two lines of dashes; empty where there is none, or none that is YAML. */
function headerOf(text: string): Record<string, unknown> {
  const header = /^---\n([\s\S]*?)\n---[ \t]*$/m.exec(text);
  if (header?.index !== 0) return {};
  try {
    // A card is somebody else's text: no aliases, which can make much of little.
    const value: unknown = parse(header[1] as string, { maxAliasCount: 0, logLevel: 'silent' });
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
