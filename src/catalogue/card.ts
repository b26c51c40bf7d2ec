import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { printable } from '../platform/printable.ts';
import { licenceIn } from './repository.ts';

/** A model's card: `README.md`, with a YAML header for programs. */
export interface Card {
  /** The whole text; empty if there is no card. */
  readonly text: string;
  /** The first heading. */
  readonly title: string;
  readonly licence: string | null;
  /** VS Code's ids of the programming languages that the model was trained on (`code_languages`); null: not stated. */
  readonly languages: readonly string[] | null;
}

export async function readCard(folder: string): Promise<Card> {
  const text = printable(await readFile(path.join(folder, 'README.md'), 'utf8').catch(() => ''));
  const header = headerOf(text);
  const { code_languages: languages } = header;
  return {
    text,
    title: /^# (.+)$/m.exec(text)?.[1] ?? '',
    licence: licenceIn(header),
    languages: Array.isArray(languages) ? languages.filter((name) => typeof name === 'string') : null,
  };
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
