import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { withoutControls } from '../protocol/printable.ts';
import { licenceIn } from './repository.ts';

/** A model's card: `README.md`, with a YAML header for programs. */
export interface Card {
  /** The whole text; empty if there is no card. */
  readonly text: string;
  /** The first heading. */
  readonly title: string;
  readonly licence: string | null;
}

export async function readCard(folder: string): Promise<Card> {
  const text = withoutControls(await readFile(path.join(folder, 'README.md'), 'utf8').catch(() => ''));
  return { text, title: /^# (.+)$/m.exec(text)?.[1] ?? '', licence: licenceIn(headerOf(text)) };
}

/** The header between two lines of dashes; empty if it is missing or not valid YAML. */
function headerOf(text: string): Record<string, unknown> {
  const header = /^---\n([\s\S]*?)\n---[ \t]*$/m.exec(text);
  if (header?.index !== 0) return {};
  try {
    // Cards are not trusted. YAML aliases are refused because a small text can expand to a huge value.
    const value: unknown = parse(header[1] as string, { maxAliasCount: 0, logLevel: 'silent' });
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
