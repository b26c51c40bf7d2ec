/** Why a file of a package is not used, in a few words; null if it is used. */
export function unsuitable(path: string, text: string): string | null {
  return unsuitablePath(path) ?? unsuitableText(text);
}

/** Like `unsuitable`, for the files of a Python package. Its tests, migrations and bundled copies of others are not used. */
export function unsuitablePython(path: string, text: string): string | null {
  if (!path.endsWith('.py')) return 'not Python';
  if (/(^|\/)(tests?|testing|migrations|_?vendor(ed)?|locales?|_vendor|data|node_modules)\//i.test(path))
    return 'data, tests or third-party code';
  return unsuitableText(text);
}

/** The reason that follows from the file's name alone. */
export function unsuitablePath(path: string): string | null {
  if (!/\.([cm]?[jt]s|[jt]sx)$/.test(path)) return 'not TypeScript or JavaScript';
  if (/\.d\.[cm]?ts$/.test(path)) return 'declarations only';
  if (/(^|[/.-])min\.[cm]?js$|\.bundle\.|\.umd\.|\.iife\.|\.prod\./i.test(path)) return 'built';
  if (
    /(^|\/)(node_modules|__snapshots__|__fixtures__|fixtures|testdata|vendor|third[-_]party|locales?|i18n|lang)\//i.test(
      path,
    )
  )
    return 'data or third-party code';
  return null;
}

/** Minimum and maximum number of characters. */
const sizes = [200, 100_000] as const;

function unsuitableText(text: string): string | null {
  if (text.length < sizes[0] || text.length > sizes[1]) return 'too short or too long';
  if (text.includes('\uFFFD') || text.includes('\0')) return 'no UTF-8';
  if (generated.test(text)) return 'generated';
  const lines = text.split('\n');
  if (text.length / lines.length > 60 || lines.some((line) => line.length > 400)) return 'minified or generated';
  if (lines.length < 8) return 'too short or too long';
  const space = text.match(/\s/g)?.length ?? 0;
  if (space / text.length < 0.08) return 'minified or generated';
  if (isTable(text)) return 'a table';
  return null;
}

/** Patterns of files that compilers, bundlers and generators write. */
const generated =
  /@generated|do not (edit|modify)|auto-?generated|sourceMappingURL=|__esModule|__awaiter|__importDefault|__webpack_require__|_interopRequireDefault|_classCallCheck|tslib|\beslint-disable \*\/\s*\n\s*module\.exports=/i;

/** Whether a text is mostly literals: digits, strings and brackets instead of words. */
function isTable(text: string): boolean {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
  const literals = (code.match(/'[^'\n]*'|"[^"\n]*"|\d[\d_.xa-fA-F]*/g) ?? []).join('').length;
  return literals > 0.4 * code.replace(/\s/g, '').length;
}

/** Normalises a source: Unix line ends, no byte order mark, no licence banner. */
export function normalizedSource(text: string): string {
  const unix = text
    .replace(/^\uFEFF/, '')
    .replace(/\r\n?/g, '\n')
    .replace(/[ \t]+$/gm, '');
  const banner = /^(#!.*\n)?\s*\/\*[\s\S]*?\*\/\s*/.exec(unix);
  const isLicence = banner && /licen[cs]e|copyright|\(c\)/i.test(banner[0]);
  return `${(isLicence ? unix.slice(banner[0].length) : unix).trim()}\n`;
}

/**
 * A source without what a model must not learn by heart: e-mail addresses, keys and tokens are replaced by placeholders of the
 * same kind.
 */
export function withoutSecrets(text: string): string {
  return text
    .replace(/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g, 'PRIVATE_KEY')
    .replace(/[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}/g, 'user@example.com')
    .replace(
      /\b(AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36,}|xox[abprs]-[A-Za-z0-9-]{10,}|sk-[A-Za-z0-9_-]{20,})\b/g,
      'TOKEN',
    )
    .replace(/\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(\.[A-Za-z0-9_-]*)?/g, 'TOKEN')
    .replace(/(['"`])[0-9a-fA-F]{32,}\1/g, '$1HEX$1');
}

/** The text without white space, to compare sources that are formatted differently. */
export const withoutSpace = (text: string): string => text.replace(/\s+/g, '');

/** Distinctive lines, by which files of common origin are recognised. */
export const distinctiveLines = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.length > 24 && /\w.*\W.*\w/.test(line) && !line.startsWith('import '));
