import path from 'node:path';
import { contentDigest } from '../platform/content-digest.ts';
import { isHeldOut } from '../protocol/discovery.ts';
import { type RowPart, type RowSplit, splitByContent } from '../protocol/row-split.ts';
import type { Task } from './task.ts';

/** The rows of a data file by what they are used for, each part in the file's order. */
export interface SplitRows<Row = unknown> {
  readonly parts: Readonly<Record<RowPart, readonly Row[]>>;
  /** What `run.json` keeps; null for a run that splits by position. */
  readonly record: RowSplit | null;
}

type SplittingTask<Row> = Pick<Task<Row>, 'contentKeys'>;

/** Names a problem in the record of a split by its content. */
export const problemDigest = <Row>(task: SplittingTask<Row>, row: Row): string =>
  contentDigest(task.contentKeys(row)[0]);

/** Splits the rows of a data file by content (`splitByContent`). */
export function splitRows<Row>(task: SplittingTask<Row>, rows: readonly Row[], data: string): SplitRows<Row> {
  const partOf = splitByContent(rows.map((row) => task.contentKeys(row).map(contentDigest)));
  const parts = partsOf(rows, (_, index) => partOf[index]);
  const digests = (part: RowPart) => [...new Set(parts[part].map((row) => problemDigest(task, row)))];
  const record: RowSplit = {
    data: path.resolve(data),
    workspace: workspaceOf(rows[0]),
    counts: { training: parts.training.length, validation: parts.validation.length, test: parts.test.length },
    rows: { training: digests('training'), validation: digests('validation'), test: digests('test') },
  };
  return { parts, record };
}

/** Splits rows as a run recorded it. Rows that the record does not know, because the file has changed, are left out. */
export function splitAsRecorded<Row>(task: SplittingTask<Row>, rows: readonly Row[], record: RowSplit): SplitRows<Row> {
  const known = new Map<string, RowPart>();
  for (const part of ['training', 'validation', 'test'] as const)
    for (const digest of record.rows[part]) known.set(digest, part);
  return { parts: partsOf(rows, (row) => known.get(problemDigest(task, row))), record };
}

/** The split of runs without a record: every eighth row is held out, for both validation and testing. */
export function splitByPosition<Row>(rows: readonly Row[]): SplitRows<Row> {
  const heldOut = rows.filter((_, index) => isHeldOut(index));
  const training = rows.length > 1 ? rows.filter((_, index) => !isHeldOut(index)) : rows;
  return { parts: { training, validation: heldOut, test: heldOut }, record: null };
}

/** Whether a split was made of these rows: of this file, or of this workspace. */
export const isSplitOf = ({ data, workspace }: RowSplit, file: string, rows: readonly unknown[]): boolean =>
  data === path.resolve(file) || (workspace !== null && workspaceOf(rows[0]) === workspace);

function partsOf<Row>(rows: readonly Row[], partOf: (row: Row, index: number) => RowPart | undefined) {
  const parts: Record<RowPart, Row[]> = { training: [], validation: [], test: [] };
  for (const [index, row] of rows.entries()) {
    const part = partOf(row, index);
    if (part) parts[part].push(row);
  }
  return parts;
}

/** The workspace that a row names, if it does. */
function workspaceOf(row: unknown): string | null {
  const { workspace } = (row ?? {}) as { workspace?: unknown };
  return typeof workspace === 'string' ? workspace : null;
}
