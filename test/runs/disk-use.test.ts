import assert from 'node:assert/strict';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { bytesOf, diskUse } from '../../src/runs/disk-use.ts';
import { temporaryFolder } from './example.ts';

test('bytesOf sums all files in a folder, and returns 0 if it does not exist', async () => {
  const folder = await temporaryFolder();
  await mkdir(path.join(folder, 'a', 'b'), { recursive: true });
  await writeFile(path.join(folder, 'a', 'one'), 'x'.repeat(1000));
  await writeFile(path.join(folder, 'a', 'b', 'two'), 'x'.repeat(234));
  assert.equal(await bytesOf(folder), 1234);
  assert.equal(await bytesOf(path.join(folder, 'a', 'one')), 1000);
  assert.equal(await bytesOf(path.join(folder, 'missing')), 0);
  await rm(folder, { recursive: true });
});

test('bytesOf does not follow symbolic links, whose targets are counted elsewhere', {
  skip: process.platform === 'win32',
}, async () => {
  const folder = await temporaryFolder();
  const elsewhere = await temporaryFolder();
  await writeFile(path.join(elsewhere, 'large'), 'x'.repeat(100_000));
  await symlink(elsewhere, path.join(folder, 'link'));
  assert.ok((await bytesOf(folder)) < 1000);
  for (const each of [folder, elsewhere]) await rm(each, { recursive: true });
});

test('diskUse reports the size of each folder in the data home', async () => {
  const home = await temporaryFolder();
  await mkdir(path.join(home, 'models', 'mine'), { recursive: true });
  await writeFile(path.join(home, 'models', 'mine', 'model.safetensors'), 'x'.repeat(50));
  await mkdir(path.join(home, 'comparisons', 'sudoku4x4'), { recursive: true });
  await writeFile(path.join(home, 'comparisons', 'sudoku4x4', 'rows.jsonl'), 'x'.repeat(20));
  await writeFile(path.join(home, 'foreign'), 'x');
  assert.deepEqual(await diskUse(home), { runs: 0, models: 50, evaluations: 0, comparisons: 20, cache: 0 });
  await rm(home, { recursive: true });
});
