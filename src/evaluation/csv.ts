/** The signs with which a spreadsheet takes a cell for a formula, and runs it. */
const formula = /^\s*[=+\-@|＝＋－＠]|^[\t\r]/;

/**
 * CSV after RFC 4180: a header, CRLF between records, quotes where a field needs them. Numbers stay numbers; null is an
 * empty field. A text that a spreadsheet would run as a formula gets an apostrophe before it, as OWASP advises against
 * CSV injection: what a model wrote is nobody's program. JSON lines keep every text as it was.
 */
export function csv(header: readonly string[], rows: readonly (readonly CsvValue[])[]): string {
  return [header, ...rows].map((row) => `${row.map(field).join(',')}\r\n`).join('');
}

export type CsvValue = string | number | boolean | null;

function field(value: CsvValue): string {
  if (typeof value !== 'string') return value === null ? '' : String(value);
  const safe = formula.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
