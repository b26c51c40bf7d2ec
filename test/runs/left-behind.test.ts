import assert from 'node:assert/strict';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { it } from 'node:test';
import { createRunDirectory, type NewRun } from '../../src/runs/directory.ts';
import { runFile, stepName } from '../../src/runs/layout.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

const uuid = '0b0d6f5e-7d63-4c2b-9d0e-0123456789ab';

it('a resumed run removes the temporary files of a killed process, and no other file', async () => {
  const root = await temporaryFolder();
  const dir = await createRunDirectory(root, newRun);
  const { samples, checkpoints } = runFile(dir);
  await mkdir(samples);
  await mkdir(path.join(checkpoints, stepName(0)), { recursive: true });
  const left = [
    'checkpoints/step-000000/digests.json.4003738483',
    'status.json.2457225873',
    'run.json.1',
    'heartbeat.json.4711',
    'result.json.7',
    'samples/step-000001.jsonl.99',
  ];
  const own = ['notes.txt', 'status.json.bak', 'table.csv.2024', 'report.json.'];
  const shared = [`lock.json.${uuid}`, 'control.json.123', 'checkpoints/step-000000/base-of.json.5'];
  for (const name of [...left, ...own, ...shared]) await writeFile(path.join(dir, name), '{');
  const namesNow = async () => (await readdir(dir, { recursive: true })).sort();

  await (await RunWriter.resume(dir, 0)).close('interrupted');
  const names = await namesNow();
  assert.deepEqual(
    names.filter((name) => left.includes(name.replaceAll('\\', '/'))),
    [],
  );
  for (const name of [...own, ...shared]) assert.ok(names.includes(name), `${name} may be in use`);

  const before = new Date(Date.now() - 3_600_000);
  for (const name of shared) await utimes(path.join(dir, name), before, before);
  await (await RunWriter.resume(dir, 0)).close('interrupted');
  assert.deepEqual(
    (await namesNow()).filter((name) => shared.includes(name)),
    [],
  );
});

it('a new run appears with its run.json or not at all, and removes what a killed process left of one', async () => {
  const root = await temporaryFolder();
  const abandoned = path.join(root, `.new-run-${uuid}`);
  await mkdir(abandoned);
  const dir = await createRunDirectory(root, newRun);
  assert.deepEqual((await readdir(root)).sort(), [path.basename(abandoned), path.basename(dir)].sort());
  const before = new Date(Date.now() - 3_600_000);
  await utimes(abandoned, before, before);
  const second = await createRunDirectory(root, newRun);
  assert.deepEqual((await readdir(root)).sort(), [path.basename(dir), path.basename(second)].sort());

  const circular: Record<string, unknown> = {};
  circular.self = circular;
  await assert.rejects(createRunDirectory(root, { ...newRun, settings: circular as NewRun['settings'] }));
  assert.equal((await readdir(root)).length, 2, 'a run that cannot be written leaves nothing');
});
