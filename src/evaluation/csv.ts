/** Beginnings of a cell that a spreadsheet interprets as a formula. */
const formula = /^\s*[=+\-@|＝＋－＠]|^[\t\r]/;

/**
 * CSV as in RFC 4180: a header, CRLF between records, quotes where a field needs them. Numbers stay numbers, and null
 * is an empty field. A text that a spreadsheet would run as a formula gets a leading apostrophe, as OWASP advises
 * against CSV injection, because the text comes from a model. JSON Lines keep every text unchanged.
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
