import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { messageOf, UserError } from '../platform/errors.ts';
import { cannotRead } from '../platform/files.ts';
import { isParquet, parquetRecords } from './parquet.ts';

/** A row of a data file and the line on which it begins (for a JSON array: its position), from 1. */
export interface FileRow<Row> {
  readonly line: number;
  readonly row: Row;
}

export interface RowFile<Row> {
  readonly rows: readonly FileRow<Row>[];
  /** The rows that could not be read, and why; empty unless `skipBroken` was set. */
  readonly broken: readonly { readonly line: number; readonly message: string }[];
}

export interface ReadingOptions {
  /** List invalid rows in `broken` instead of throwing at the first. */
  readonly skipBroken?: boolean;
  /** Names of the fields that `parse` reads; others are reported once. Absent: fields are not checked. */
  readonly fields?: readonly string[] | undefined;
  readonly report?: ((line: string) => void) | undefined;
}

/**
 * Reads a data file: JSON Lines, a JSON array, CSV with a header (RFC 4180; names in any case), each also compressed by
 * gzip, or Parquet. The format follows from the content and the file extension. `parse` turns a record into a row. An
 * invalid row throws a `UserError` with file and line; with `skipBroken` it is listed instead and the other rows are read.
 */
export async function readRowFile<Row>(
  file: string,
  parse: (record: unknown) => Row,
  options: ReadingOptions = {},
): Promise<RowFile<Row>> {
  const content = await readFile(file).catch((error: unknown) => {
    throw new UserError(cannotRead(file, error));
  });
  const archive = archives.find(({ magic }) => content.subarray(0, magic.length).equals(magic));
  if (archive) throw new UserError(`${file} is ${archive.name}, which cannot be read; ${archive.remedy}.`);
  if (isParquet(content)) {
    const records = await parquetRecords(content, file);
    return readRows(
      records.map((record, index) => ({ line: index + 1, read: () => record })),
      'row',
      file,
      parse,
      options,
    );
  }
  return parseRowFile(unzipped(content, file).toString('utf8'), file.replace(/\.gz$/i, ''), parse, options);
}

/** As `readRowFile`, for a text that is already in memory; `file` is its name in messages. */
export function parseRowFile<Row>(
  content: string,
  file: string,
  parse: (record: unknown) => Row,
  options: ReadingOptions = {},
): RowFile<Row> {
  const text = content.replace(/^\uFEFF/, '');
  const form = formOf(file, text.trimStart()[0]);
  return readRows(unread(form, text, file), form === 'array' ? 'item' : 'line', file, parse, options);
}

function readRows<Row>(
  records: readonly Unread[],
  unit: string,
  file: string,
  parse: (record: unknown) => Row,
  { skipBroken = false, fields, report }: ReadingOptions,
): RowFile<Row> {
  const rows: FileRow<Row>[] = [];
  const broken: { line: number; message: string }[] = [];
  const names = new Set<string>();
  for (const { line, read } of records) {
    try {
      const record = read();
      if (typeof record === 'object' && record !== null) for (const name of Object.keys(record)) names.add(name);
      rows.push({ line, row: parse(record) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const message = `${file}, ${unit} ${line}: ${error.message}`;
      if (!skipBroken) throw new UserError(message);
      broken.push({ line, message });
    }
  }
  if (rows.length === 0 && broken.length === 0) throw new UserError(`${file} has no rows; add at least one.`);
  const unknown = fields ? [...names].filter((name) => !fields.includes(name)) : [];
  if (unknown.length > 0)
    report?.(
      `${file}: ${unknown.length === 1 ? 'the field' : 'the fields'} ${unknown.join(', ')} ${unknown.length === 1 ? 'is' : 'are'} not used.`,
    );
  return { rows, broken };
}

/** Formats that are recognised only to be refused by name. */
const archives = [
  { magic: Buffer.from('PK\x03\x04', 'latin1'), name: 'a zip archive', remedy: 'unpack it' },
  { magic: Buffer.from('BZh', 'latin1'), name: 'compressed by bzip2', remedy: 'decompress it with bunzip2' },
  { magic: Buffer.from('\xfd7zXZ\0', 'latin1'), name: 'compressed by xz', remedy: 'decompress it with unxz' },
  { magic: Buffer.from('\x28\xb5\x2f\xfd', 'latin1'), name: 'compressed by zstd', remedy: 'decompress it with unzstd' },
  { magic: Buffer.from('ARROW1', 'latin1'), name: 'an Arrow file', remedy: 'save it as JSON lines or Parquet' },
] as const;

/** Maximum size of a file after decompression. */
const maxBytes = 2 ** 29;

function unzipped(content: Buffer, file: string): Buffer {
  if (content[0] !== 0x1f || content[1] !== 0x8b) return content;
  try {
    return gunzipSync(content, { maxOutputLength: maxBytes });
  } catch (error) {
    throw new UserError(`${file} cannot be decompressed (${messageOf(error)}); download it again.`);
  }
}

function formOf(file: string, start: string | undefined): 'array' | 'lines' | 'csv' {
  if (start === undefined)
    throw new UserError(`${file} is empty; it needs JSON lines, a JSON array or CSV with a header.`);
  if (/\.csv$/i.test(file)) return 'csv';
  if (start === '[') return 'array';
  return start === '{' || /\.(jsonl|ndjson|json)$/i.test(file) ? 'lines' : 'csv';
}

function unread(form: 'array' | 'lines' | 'csv', text: string, file: string): Unread[] {
  if (form === 'array') return jsonItems(text, file);
  return form === 'lines' ? jsonLines(text) : csvLines(text, file);
}

/** A record that is not parsed yet; `read` throws a `UserError` if it is invalid. */
interface Unread {
  readonly line: number;
  read(): unknown;
}

function jsonItems(text: string, file: string): Unread[] {
  let items: unknown;
  try {
    items = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file} begins as a JSON array but is not one (${messageOf(error)}); correct it.`);
  }
  return (items as unknown[]).map((item, index) => ({ line: index + 1, read: () => item }));
}

function jsonLines(text: string): Unread[] {
  return text.split(/\r?\n/).flatMap((content, index) => {
    if (content.trim() === '') return [];
    return { line: index + 1, read: () => parsedLine(content) };
  });
}

function parsedLine(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    throw new UserError('is not valid JSON; correct the row or leave it out.');
  }
}

function csvLines(text: string, file: string): Unread[] {
  const [header, ...records] = csvRecords(text);
  if (header === undefined) throw new UserError(`${file} has no header; name its columns in the first line.`);
  const names = header.fields.map((name) => name.trim().toLowerCase());
  return records.map(({ line, fields, fault }) => ({
    line,
    read() {
      if (fault !== undefined) throw new UserError(fault);
      if (fields.length !== names.length) {
        throw new UserError(`has ${fields.length} fields where the header has ${names.length}; correct the row.`);
      }
      return Object.fromEntries(names.map((name, index) => [name, fields[index]]));
    },
  }));
}

interface CsvRecord {
  readonly line: number;
  readonly fields: string[];
  readonly fault?: string;
}

/** Splits CSV into records. Quoted fields may contain commas, line breaks and doubled quotes. */
function csvRecords(text: string): CsvRecord[] {
  const field = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  const records: CsvRecord[] = [];
  let line = 1;
  let fields: string[] = [];
  let start = line;
  for (let position = 0; position < text.length || fields.length > 0; ) {
    field.lastIndex = position;
    const match = field.exec(text);
    if (match === null) {
      // A stray or unclosed quote: the record is invalid, and the next one begins on the next line.
      const end = text.indexOf('\n', position);
      records.push({
        line: start,
        fields,
        fault: 'has a quote that is not closed or not at the edge of a field; correct it.',
      });
      position = end < 0 ? text.length : end + 1;
      start = ++line;
      fields = [];
      continue;
    }
    const [whole, quoted, bare, separator] = match;
    fields.push(quoted === undefined ? bare : quoted.replaceAll('""', '"'));
    line += (quoted?.match(/\r\n|\n|\r/g) ?? []).length;
    position += whole.length;
    if (separator === ',') continue;
    if (separator !== '') line++;
    // An empty line is not a record.
    if (fields.length > 1 || fields[0].trim() !== '') records.push({ line: start, fields });
    fields = [];
    start = line;
  }
  return records;
}
