import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import { fileError, writeAtomic, writeAtomicParts, writing } from '../../src/platform/files.ts';

let folder: string;
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'unmask-files-'));
});
after(() => rm(folder, { recursive: true }));

async function* parts(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

test('a file is written atomically, at once or in parts, and its folder is created', async () => {
  const file = path.join(folder, 'new', 'file');
  await writeAtomic(file, 'one');
  assert.equal(await readFile(file, 'utf8'), 'one');
  await writeAtomicParts(file, parts('t', 'wo'));
  assert.equal(await readFile(file, 'utf8'), 'two');
  assert.deepEqual(await readdir(path.dirname(file)), ['file']);
});

test('a location that cannot be written is reported, with advice', async () => {
  await writeFile(path.join(folder, 'plain'), '');
  await mkdir(path.join(folder, 'taken'));
  for (const name of ['plain/file', 'plain/deeper/file', 'taken']) {
    const file = path.join(folder, name);
    for (const write of [() => writeAtomic(file, 'x'), () => writeAtomicParts(file, parts('x'))])
      await assert.rejects(
        write,
        (error) =>
          error instanceof UserError &&
          error.message.startsWith(`Cannot write ${file} (E`) &&
          error.message.endsWith('check the path and its permissions, or choose another place.'),
        name,
      );
  }
  assert.deepEqual((await readdir(folder)).sort(), ['new', 'plain', 'taken']);
});

test('a full disk is reported as such, other errors keep their stack, and both keep their code', async () => {
  const failing = (code: string) =>
    writing('/data/file', async () => {
      throw Object.assign(new Error(`${code}: no space left on device, write`), { code });
    });
  await assert.rejects(failing('ENOSPC'), {
    name: 'UserError',
    code: 'ENOSPC',
    message:
      'Cannot write /data/file (ENOSPC: no space left on device, write); free some disk space, then resume or try again.',
  });
  await assert.rejects(failing('EINVAL'), { name: 'Error', code: 'EINVAL' });
});

test('errors of the file system that nobody expected are one sentence too, and defects keep their stack', () => {
  const failed = (code: string, syscall: string) =>
    Object.assign(new Error(`${code}: no`), { code, syscall, path: '/a' });
  const sentence = (error: unknown) => (error instanceof UserError ? error.message : null);
  assert.equal(
    sentence(fileError(failed('EROFS', 'open'))),
    'Cannot access /a (EROFS: no); check the path and its permissions, or choose another place.',
  );
  assert.match(sentence(fileError(failed('ENAMETOOLONG', 'mkdir'))) ?? '', /choose a shorter name\.$/);
  // What `mkdir` throws in a read-only file system.
  assert.match(sentence(fileError(failed('ENOENT', 'mkdir'), 'Cannot write /a')) ?? '', /^Cannot write \/a \(ENOENT/);
  for (const defect of [failed('ENOENT', 'open'), failed('EACCES', 'spawn node'), new TypeError('EROFS'), 'EROFS'])
    assert.equal(fileError(defect), defect);
});
