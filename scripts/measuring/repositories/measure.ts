/**
 * Discovers the tests of real packages and monorepos (`archives.ts`), prints a Markdown table, and fails if one of them is accepted or
 * refused otherwise than expected. It needs npm, pip, Go, Cargo and their registries.
 *
 *     node --import tsx scripts/measuring/repositories/measure.ts [NAME ...]
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { messageOf } from '../../../src/platform/errors.ts';
import { discover } from '../../../src/workspace/discover.ts';
import { type Repository, repositories } from './archives.ts';
import { layOut } from './lay-out.ts';

interface Row {
  readonly cells: readonly (string | number)[];
  readonly isExpected: boolean;
}

async function measure(repository: Repository, folder: string): Promise<Row> {
  const { name, expected } = repository;
  await mkdir(folder, { recursive: true });
  await layOut(repository, folder);
  const begin = performance.now();
  try {
    const { runner, functions, tasks, tests, runs } = await discover(folder);
    const seconds = Math.round((performance.now() - begin) / 1000);
    return { cells: [name, runner, functions, tasks.length, tests, runs, seconds], isExpected: expected === 'accepted' };
  } catch (error) {
    const reason = messageOf(error).replaceAll(folder, 'DIR');
    const isExpected = expected !== 'accepted' && expected.test(reason);
    return { cells: [name, `refused: ${reason.replaceAll('|', '\\|')}`, '', '', '', '', ''], isExpected };
  }
}

const wanted = process.argv.slice(2);
const home = await mkdtemp(path.join(tmpdir(), 'unmask-repositories-'));
process.env.UNMASK_HOME = path.join(home, 'data');
try {
  console.log('| repository | runner | functions | covered | tests | runs | seconds |\n|---|---|---|---|---|---|---|');
  for (const [index, repository] of repositories.entries()) {
    if (wanted.length > 0 && !wanted.some((name) => repository.name.includes(name))) continue;
    const { cells, isExpected } = await measure(repository, path.join(home, String(index)));
    console.log(`| ${cells.join(' | ')} |`);
    if (isExpected) continue;
    console.error(`${repository.name}: expected ${repository.expected}`);
    process.exitCode = 1;
  }
} finally {
  await rm(home, { recursive: true, force: true });
}
