/**
 * Discovers the tests of real packages and monorepos (`archives.ts`), prints a Markdown table, and fails if one of them is accepted or
 * refused otherwise than expected. It needs npm, pip, Go and Cargo, and their registries. With a checkout of another commit, it also
 * measures how long that one takes, and fails if it finds other functions or tests.
 *
 *     node --import tsx scripts/measuring/repositories/measure.ts [--against CHECKOUT] [NAME ...]
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf } from '../../../src/platform/errors.ts';
import { type Discovery, discover } from '../../../src/workspace/discover.ts';
import { type Repository, repositories } from './archives.ts';
import { layOut } from './lay-out.ts';

interface Row {
  readonly cells: readonly (string | number)[];
  readonly isExpected: boolean;
}

type Discover = (folder: string) => Promise<Discovery>;

/** @param before the discovery of another commit, with which this one is compared; null: none */
async function measure(repository: Repository, folder: string, before: Discover | null): Promise<Row> {
  const { name, expected } = repository;
  await mkdir(folder, { recursive: true });
  await layOut(repository, folder);
  try {
    const { found, seconds } = await timed(discover, folder);
    const { runner, functions, tasks, tests, runs } = found;
    // What the other commit refuses has nothing to compare with.
    const other = before && (await timed(before, folder).catch(() => null));
    const isEqual = other === null || guardsOf(other.found) === guardsOf(found);
    const beforeCells = before ? [other?.found.runs ?? 'refused', other?.seconds ?? ''] : [];
    return {
      cells: [name, runner, functions, tasks.length, tests, runs, seconds, ...beforeCells],
      isExpected: expected === 'accepted' && isEqual,
    };
  } catch (error) {
    const reason = messageOf(error).replaceAll(folder, 'DIR');
    const isExpected = expected !== 'accepted' && expected.test(reason);
    return { cells: [name, `refused: ${reason.replaceAll('|', '\\|')}`, '', '', '', '', ''], isExpected };
  }
}

/** Discovers with a data home of its own, so that no verdict is known before. */
async function timed(discovery: Discover, folder: string) {
  process.env.UNMASK_HOME = await mkdtemp(path.join(home, 'data-'));
  const begin = performance.now();
  const found = await discovery(folder);
  return { found, seconds: Math.round((performance.now() - begin) / 1000) };
}

/** The functions that were found, with their tests, as a text. */
const guardsOf = ({ tasks }: Discovery): string =>
  JSON.stringify(tasks.map(({ file, function: name, guards }) => [file, name, guards]).sort());

const { values, positionals: wanted } = parseArgs({ options: { against: { type: 'string' } }, allowPositionals: true });
const before: Discover | null =
  values.against === undefined
    ? null
    : (await import(pathToFileURL(path.resolve(values.against, 'src/workspace/discover.ts')).href)).discover;
const home = await mkdtemp(path.join(tmpdir(), 'unmask-repositories-'));
const columns = [
  'repository',
  'runner',
  'functions',
  'covered',
  'tests',
  'runs',
  'seconds',
  ...(before ? ['runs before', 'seconds before'] : []),
];
try {
  console.log(`| ${columns.join(' | ')} |\n|${'---|'.repeat(columns.length)}`);
  for (const [index, repository] of repositories.entries()) {
    if (wanted.length > 0 && !wanted.some((name) => repository.name.includes(name))) continue;
    const { cells, isExpected } = await measure(repository, path.join(home, String(index)), before);
    console.log(`| ${cells.join(' | ')} |`);
    if (isExpected) continue;
    console.error(`${repository.name}: expected ${repository.expected}, with the same functions and tests`);
    process.exitCode = 1;
  }
} finally {
  await rm(home, { recursive: true, force: true });
}
