import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { checkDigests, replaceWithDigest } from '../../src/platform/folder-digests.ts';
import { keepAsBase, listCheckpoints } from '../../src/runs/checkpoints.ts';
import { checkCheckpoints, findResumePoint } from '../../src/runs/whole-checkpoints.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun, temporaryFolder } from './example.ts';

/** A stopped run with checkpoints of steps 2, 4 and 6. */
async function stoppedRun(best: number | null = null): Promise<string> {
  const run = await RunWriter.create(await temporaryFolder(), newRun);
  for (const step of [2, 4, 6])
    await run.checkpoint(step, async (folder) => {
      await writeFile(path.join(folder, 'model.safetensors'), Buffer.alloc(4096, step));
      const state = { step, best: best === null || best > step ? null : { step: best, score: 1 } };
      await writeFile(path.join(folder, 'state.json'), JSON.stringify(state));
    });
  await run.close('interrupted');
  return run.dir;
}

const folderOf = (dir: string, step: number) => path.join(dir, 'checkpoints', `step-00000${step}`);
const names = (dir: string) => readdir(path.join(dir, 'checkpoints'));

async function flipByte(file: string, at = 1000): Promise<void> {
  const bytes = await readFile(file);
  bytes[at] = bytes[at]! ^ 1;
  await writeFile(file, bytes);
}

describe('the checkpoint that a run resumes from', () => {
  it('is the newest one if it is whole', async () => {
    const dir = await stoppedRun();
    // A file that is added later is not damage.
    await keepAsBase(folderOf(dir, 6), dir);
    assert.deepEqual(await findResumePoint(dir), { checkpoint: { step: 6, dir: folderOf(dir, 6) }, notes: [] });
  });

  for (const [what, damage, reason] of [
    ['a flipped byte', (dir) => flipByte(path.join(dir, 'model.safetensors')), 'model.safetensors has changed'],
    ['an edited state', (dir) => writeFile(path.join(dir, 'state.json'), '{"step":9}'), 'state.json has changed'],
    ['a missing file', (dir) => rm(path.join(dir, 'model.safetensors')), 'model.safetensors is missing'],
    ['cut-off digests', (dir) => writeFile(path.join(dir, 'digests.json'), '{"sha'), 'digests.json cannot be read'],
  ] as readonly [string, (dir: string) => Promise<void>, string][])
    it(`is the one before if the newest has ${what}, which is set aside with one sentence`, async () => {
      const dir = await stoppedRun();
      await damage(folderOf(dir, 6));
      const { checkpoint, notes } = await findResumePoint(dir);
      assert.equal(checkpoint?.step, 4);
      assert.equal(notes.length, 1);
      assert.ok(notes[0]!.startsWith(`The checkpoint of step 6 is damaged (${reason}`), notes[0]);
      assert.ok(notes[0]!.endsWith('renamed to damaged-step-000006, and the run continues from step 4.'), notes[0]);
      assert.deepEqual(await names(dir), ['damaged-step-000006', 'step-000002', 'step-000004']);
      assert.ok(!(await readdir(dir)).includes('lock.json'), 'the lock is released');
      // A resumed run leaves it there.
      await (await RunWriter.resume(dir, 4)).close('interrupted');
      assert.ok((await names(dir)).includes('damaged-step-000006'));
    });

  it('is none if all are damaged: the error names each, and nothing is renamed', async () => {
    const dir = await stoppedRun();
    for (const step of [2, 4, 6]) await flipByte(path.join(folderOf(dir, step), 'model.safetensors'));
    await assert.rejects(findResumePoint(dir), {
      name: 'UserError',
      message: /^No checkpoint of .* is undamaged \(step 6: model.*; step 4: .*; step 2: .*\); restore one/,
    });
    assert.deepEqual(await names(dir), ['step-000002', 'step-000004', 'step-000006']);
  });

  it('comes with a sentence about a damaged best one, which is set aside', async () => {
    const dir = await stoppedRun(2);
    await flipByte(path.join(folderOf(dir, 2), 'model.safetensors'));
    const { checkpoint, notes } = await findResumePoint(dir);
    assert.equal(checkpoint?.step, 6);
    assert.match(notes.join('|'), /^The best checkpoint so far, of step 2, is damaged \(.*\); it was renamed to /);
    assert.deepEqual(await names(dir), ['damaged-step-000002', 'step-000004', 'step-000006']);
  });

  it('is used with the note that it was not checked if it has no digests', async () => {
    const dir = await stoppedRun();
    await rm(path.join(folderOf(dir, 6), 'digests.json'));
    const { checkpoint, notes } = await findResumePoint(dir);
    assert.equal(checkpoint?.step, 6);
    assert.match(notes.join('|'), /^The checkpoint of step 6 was not checked, because/);
  });
});

describe('checking the checkpoints of a run', () => {
  it('says which are whole, damaged and not checked, and changes nothing', async () => {
    const dir = await stoppedRun();
    await flipByte(path.join(folderOf(dir, 4), 'model.safetensors'));
    await rm(path.join(folderOf(dir, 2), 'digests.json'));
    const checked = await checkCheckpoints(dir);
    assert.deepEqual(
      checked.map(({ step, whole }) => [step, whole]),
      [
        [2, null],
        [4, false],
        [6, true],
      ],
    );
    assert.match(checked[1]!.reason!, /^model\.safetensors has changed/);
    assert.equal((await listCheckpoints(dir)).length, 3);
  });
});

it('a folder stays whole if the process is killed while a file and its digest are replaced', async () => {
  const folder = folderOf(await stoppedRun(), 6);
  const next = { step: 6, score: 0.5 };
  let calls = 0;
  const failing = {
    toJSON() {
      if (++calls === 2) throw new Error('killed');
      return next;
    },
  };
  await assert.rejects(replaceWithDigest(folder, 'state.json', failing), /killed/);
  assert.deepEqual(await checkDigests(folder), { state: 'whole' }, 'the old file with both digests');
  await writeFile(path.join(folder, 'state.json'), `${JSON.stringify(next, null, 2)}\n`);
  assert.deepEqual(await checkDigests(folder), { state: 'whole' }, 'the new file with both digests');
  await replaceWithDigest(folder, 'state.json', { step: 6, score: 0.75 });
  assert.deepEqual(await checkDigests(folder), { state: 'whole' });
  await writeFile(path.join(folder, 'state.json'), `${JSON.stringify(next, null, 2)}\n`);
  assert.equal((await checkDigests(folder)).state, 'damaged', 'an older file is not accepted');
});
