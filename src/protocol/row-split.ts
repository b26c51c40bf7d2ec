/** What the rows of a data file are used for: to train, to choose the best checkpoint, or to report the result. */
export type RowPart = 'training' | 'validation' | 'test';

/** Rows per part. */
export type PartCounts = Readonly<Record<RowPart, number>>;

/** How a tuning run split the rows of its data file; stored in `run.json`, and as `split.json` in models kept from it. */
export interface RowSplit {
  /** The data file, an absolute path. */
  readonly data: string;
  /** The workspace that the rows come from; null for other data files. */
  readonly workspace: string | null;
  readonly counts: PartCounts;
  /** The different problems of each part by digest of their content. */
  readonly rows: Readonly<Record<RowPart, readonly string[]>>;
}

/** Share of the rows that validation takes, and that testing takes. */
const heldOutShare = 1 / 8;
/** Neither of them takes more than this share, so that small files keep enough rows for training. */
const maxShare = 1 / 4;
/** Numbers of different problems that are needed for a validation part, and for a test part in addition. */
const minForValidation = 3;
export const minForTest = 6;

/**
 * Splits rows by content. `rows` has the digests of each row's content keys (16 hexadecimal digits each); rows that share
 * a key form a group, which stays in one part. A group's part follows from a hash of its content and does not depend on which other rows there
 * are: the lowest eighth of the hash range is for validation, the highest for testing. If that leaves a part of a
 * large enough file empty, the group with the nearest hash fills it, so that only in small files a new row can move
 * another one.
 */
export function splitByContent(rows: readonly (readonly string[])[]): RowPart[] {
  const groups = groupsOf(rows).sort((a, b) => a.hash - b.hash);
  const most = Math.max(1, Math.floor(maxShare * groups.length));
  const take = (count: number, least: number) => (groups.length < least ? 0 : Math.min(most, Math.max(1, count)));
  const validation = take(groups.filter(({ hash }) => hash < heldOutShare).length, minForValidation);
  const test = take(groups.filter(({ hash }) => hash >= 1 - heldOutShare).length, minForTest);
  const parts: RowPart[] = rows.map(() => 'training');
  for (const [rank, group] of groups.entries()) {
    const part = rank < validation ? 'validation' : rank >= groups.length - test ? 'test' : 'training';
    for (const row of group.rows) parts[row] = part;
  }
  return parts;
}

interface Group {
  /** In [0, 1). */
  readonly hash: number;
  /** Indices of its rows. */
  readonly rows: number[];
}

function groupsOf(rows: readonly (readonly string[])[]): Group[] {
  const parents = rows.map((_, row) => row);
  const root = (row: number): number => {
    let at = row;
    while (parents[at] !== at) at = parents[at] = parents[parents[at] as number] as number;
    return at;
  };
  const firstWith = new Map<string, number>();
  for (const [row, keys] of rows.entries())
    for (const key of keys) {
      const first = firstWith.get(key);
      if (first === undefined) firstWith.set(key, row);
      else parents[root(row)] = root(first);
    }
  const groups = new Map<number, { key: string; rows: number[] }>();
  for (const [row, keys] of rows.entries()) {
    const group = groups.get(root(row)) ?? { key: keys[0] as string, rows: [] };
    // The smallest key represents the group, so that the order of the rows does not matter.
    for (const key of keys) if (key < group.key) group.key = key;
    group.rows.push(row);
    groups.set(root(row), group);
  }
  // The leading digits chose the representative; the trailing ones do not depend on that.
  return [...groups.values()].map(({ key, rows }) => ({ hash: Number.parseInt(key.slice(-8), 16) / 2 ** 32, rows }));
}

/** "60 problems: 45 for training, 8 for validation, 7 for testing.", and why a part is missing. */
export function describeSplit({ training, validation, test }: PartCounts): string {
  const all = training + validation + test;
  const problems = `${all} problem${all === 1 ? '' : 's'}`;
  if (validation === 0)
    return `${problems}, used for training only: fewer than ${minForValidation} different problems are too few to hold some out, so neither a validation nor a test result is reported.`;
  const held = `${problems}: ${training} for training, ${validation} for validation`;
  return test === 0
    ? `${held}. Fewer than ${minForTest} different problems are too few for a test part, so no test result is reported.`
    : `${held}, ${test} for testing.`;
}
