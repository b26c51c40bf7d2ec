import assert from 'node:assert/strict';
import { mkdtemp, realpath, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { WorkspaceCopies } from '../../src/copies/workspace-copies.ts';
import { indexName } from '../../src/copies/workspace-texts.ts';

let folder: string;
let copies: WorkspaceCopies;
before(async () => {
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask-copies-')));
  copies = new WorkspaceCopies();
});
after(async () => {
  await copies.close();
  await rm(folder, { recursive: true });
});

const place = (name: string) => path.join(folder, name);
const named = (name: string) => indexName(place(name));
const write = (name: string, text: string | Buffer) => writeFile(place(name), text);

/** The texts that follow `prefix` in a new document. */
async function following(prefix: string): Promise<string[]> {
  await copies.settled();
  const found = copies.find({ name: named('new.ts'), prefix, suffix: '\n', singleLine: true }, []);
  return found.map(({ text }) => text).sort();
}

it('reads a workspace without what git ignores, secrets, binary, minified and huge files', async () => {
  const key = `ghp_${'a1'.repeat(20)}`;
  await write('.gitignore', 'ignored.ts\n');
  await write('own.ts', 'const limit = own;\n');
  await write('ignored.ts', 'const limit = ignored;\n');
  await write('.env', 'const limit = env;\n');
  await write('key.ts', `const limit = withKey;\nconst key = "${key}";\n`);
  await write('binary.ts', Buffer.from('const limit = binary;\n\0'));
  await write('minified.ts', `const limit = minified;${'x();'.repeat(200)}\n`);
  await write('empty.ts', '');
  await write('huge.ts', 'const limit = huge;\n');
  await truncate(place('huge.ts'), 100_000_000);
  copies.configure({ enabled: true, folders: [folder] });
  assert.deepEqual(await following('const limit = '), ['own;']);
  assert.deepEqual(copies.summary.problems, []);
  assert.equal(copies.summary.busy, false);
});

it('follows files that are changed, renamed and deleted', async () => {
  await write('own.ts', 'const limit = changed(1);\n');
  await write('other.ts', 'const limit = other;\n');
  copies.filesChanged();
  assert.deepEqual(await following('const limit = '), ['changed(1);', 'other;']);
  await rename(place('other.ts'), place('renamed.ts'));
  await rm(place('own.ts'));
  copies.filesChanged();
  assert.deepEqual(await following('const limit = '), ['other;']);
  const [copy] = copies.find({ name: named('new.ts'), prefix: 'const limit = ', suffix: '', singleLine: true }, []);
  assert.deepEqual(copy!.source, { name: named('renamed.ts'), line: 1 });
});

it('follows open documents as they are in the editor, until they are closed', async () => {
  copies.documentChanged(named('renamed.ts'), () => 'const limit = unsaved;\n');
  copies.documentChanged('untitled:Untitled-1.ts', () => 'const limit = untitled;\n');
  copies.documentChanged(named('.env'), () => 'const limit = secret;\n');
  copies.documentChanged(named('ignored.ts'), () => 'const limit = ignored;\n');
  copies.filesChanged();
  assert.deepEqual(await following('const limit = '), ['unsaved;', 'untitled;']);
  copies.documentClosed(named('renamed.ts'));
  copies.documentClosed('untitled:Untitled-1.ts');
  assert.deepEqual(await following('const limit = '), ['other;']);
});

it('knows which documents of the workspace it leaves out, and in which lines a word is', async () => {
  for (const name of ['renamed.ts', 'ignored.ts']) copies.documentChanged(named(name), () => `use(${name});\n`);
  await copies.settled();
  const names = [named('renamed.ts'), named('ignored.ts'), 'untitled:Untitled-1.ts'];
  assert.deepEqual(
    names.map((name) => copies.leavesOut(name)),
    [false, true, false],
  );
  assert.deepEqual(copies.linesWith(named('new.ts'), 'use'), [{ file: named('renamed.ts'), line: 'use(renamed.ts);' }]);
  assert.deepEqual(copies.linesWith(named('renamed.ts'), 'use'), []);
  for (const name of ['renamed.ts', 'ignored.ts']) copies.documentClosed(named(name));
});

it('knows nothing where it is off, and everything again where it is on', async () => {
  copies.configure({ enabled: false, folders: [folder] });
  assert.deepEqual(await following('const limit = '), []);
  assert.equal(copies.summary.files, 0);
  copies.configure({ enabled: true, folders: [folder] });
  assert.deepEqual(await following('const limit = '), ['other;']);
});

it('says which folder it cannot read, and reads the others', async () => {
  copies.configure({ enabled: true, folders: [place('nowhere'), folder] });
  assert.deepEqual(await following('const limit = '), ['other;']);
  assert.match(copies.summary.problems.join(), /nowhere cannot be read/);
});
