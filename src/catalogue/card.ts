import path from 'node:path';
import { parse } from 'yaml';
import { assertRegular, readText } from '../platform/files.ts';
import { withinTime } from '../platform/time-limit.ts';
import { withoutControls } from '../protocol/printable.ts';
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
  const file = path.join(folder, 'README.md');
  const text = withoutControls(
    await assertRegular(file)
      .then(() => readText(file, largest.card))
      .catch(() => ''),
  );
  const header = headerOf(text);
  const { code_languages: languages } = header;
  return {
    text,
    title: /^# (.+)$/m.exec(text)?.[1] ?? '',
    licence: licenceIn(header),
    languages: Array.isArray(languages) ? languages.filter((name) => typeof name === 'string') : null,
  };
}

/** Bytes of a card, and characters of its header, that are read. A longer card counts as missing. */
const largest = { card: 4 * 2 ** 20, header: 64 * 1024 };
/** Milliseconds to parse a header. The parser's time can grow with the square of the nesting. */
const parsingTime = 500;

/** The header between two lines of dashes; empty if it is missing, too long or not valid YAML. */
function headerOf(text: string): Record<string, unknown> {
  const header = /^---\n([\s\S]*?)\n---[ \t]*$/m.exec(text);
  if (header?.index !== 0 || header[0].length > largest.header) return {};
  try {
    // Cards are not trusted. YAML aliases are refused because a small text can expand to a huge value.
    const options = { maxAliasCount: 0, logLevel: 'silent' } as const;
    const value: unknown = withinTime(parsingTime, () => parse(header[1] as string, options));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
