import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, it } from 'node:test';
import { deleteRun } from '../../src/runs/directory.ts';
import { changeLabels } from '../../src/runs/labels.ts';
import { runFile } from '../../src/runs/layout.ts';
import { RunFolder, type RunsChange } from '../../src/runs/run-folder.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

const followed: RunFolder[] = [];
afterEach(() => {
  for (const folder of followed.splice(0)) folder.close();
});

/** Follows a folder; `until` resolves with the first change that satisfies a condition. */
async function follow(root: string) {
  const folder = new RunFolder(root);
  followed.push(folder);
  const seen: RunsChange[] = [];
  folder.onChange((change) => seen.push(change));
  await folder.follow();
  const until = (matches: (change: RunsChange) => boolean) =>
    new Promise<RunsChange>((resolve) => {
      const earlier = seen.find(matches);
      if (earlier) return resolve(earlier);
      const end = folder.onChange((change) => {
        if (!matches(change)) return;
        end();
        resolve(change);
      });
    });
  return { folder, seen, until };
}

describe('RunFolder', { timeout: 30_000 }, () => {
  it('reports the existing runs at once, newest first, with their sizes', async () => {
    const root = await temporaryFolder();
    const [one, two] = [
      await RunWriter.create(root, newRun),
      await RunWriter.create(root, { ...newRun, name: 'mine' }),
    ];
    for (const run of [one, two]) await run.close('finished');
    await writeFile(path.join(root, 'no run'), '');
    const { folder, seen } = await follow(root);
    assert.deepEqual(
      folder.runs.map(({ dir }) => dir),
      [two.dir, one.dir],
    );
    assert.deepEqual([folder.runs[0]!.name, folder.runs[0]!.state], ['mine', 'finished']);
    assert.ok(folder.runs[0]!.bytes > 100);
    assert.equal(folder.find(one.dir)?.dir, one.dir);
    assert.equal(folder.find(root), undefined);
    assert.deepEqual(
      seen.map(({ first, before }) => [first, before.length]),
      [[true, 0]],
    );
  });

  it('reports a new run, each of its steps, its end, and its deletion', async () => {
    const root = await temporaryFolder();
    const { folder, until } = await follow(root);
    assert.deepEqual(folder.runs, []);
    const run = await RunWriter.create(root, newRun);
    await until(({ runs }) => runs[0]?.dir === run.dir);
    await run.append({ step: 1, time: 1 });
    await run.progress(1, 3);
    await until(({ runs }) => runs[0]?.step === 1 && runs[0].eta === 3);
    await run.close('finished');
    const ended = await until(({ runs }) => runs[0]?.state === 'finished');
    assert.equal(ended.before[0]!.state, 'running');
    await changeLabels(run.dir, { name: 'renamed', addTags: ['good'] });
    await folder.look();
    const labelled = folder.find(run.dir);
    assert.deepEqual([labelled?.name, labelled?.tags], ['renamed', ['good']]);
    await deleteRun(run.dir);
    await until(({ runs, before }) => runs.length === 0 && before.length === 1);
  });

  it('can follow a folder that does not exist yet', async () => {
    const root = path.join(await temporaryFolder(), 'runs');
    const { folder } = await follow(root);
    const run = await RunWriter.create(root, newRun);
    await folder.look();
    assert.equal(folder.runs[0]?.dir, run.dir);
    await run.close('finished');
  });

  it('reads a finished run again only if its files changed', async () => {
    const root = await temporaryFolder();
    const run = await RunWriter.create(root, newRun);
    await run.close('finished');
    const { folder, seen } = await follow(root);
    // If the file was read again, the run would be reported as broken.
    const status = runFile(run.dir).status;
    await folder.look();
    await folder.look();
    assert.equal(seen.length, 1, 'nothing changed, so nothing is reported');
    await writeFile(status, '{');
    await folder.look();
    assert.equal(seen.length, 2);
    assert.match(folder.runs[0]?.error ?? '', /not valid JSON/);
  });

  it('reports nothing after it is closed', async () => {
    const root = await temporaryFolder();
    const { folder, seen } = await follow(root);
    folder.close();
    const run = await RunWriter.create(root, newRun);
    await run.close('finished');
    await folder.look();
    assert.equal(seen.length, 1);
    await rm(root, { recursive: true });
  });
});
