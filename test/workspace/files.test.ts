import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { hasSecret, hasSecretName, workspaceFiles } from '../../src/workspace/files.ts';
import { openSnapshot, takeSnapshot } from '../../src/workspace/snapshot.ts';

let root: string;
const homeBefore = process.env.UNMASK_HOME;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-files-'));
  process.env.UNMASK_HOME = path.join(root, 'home');
  const files = {
    'src/a.ts': 'export const a: number = 1;\n',
    'src/key.ts': `const key = '${'-----BEGIN '}RSA PRIVATE KEY-----';\n`,
    'test/a.test.ts': 'test();\n',
    'test/fixtures/one.txt': '1',
    'src/b.test.ts': 'test();\n',
    'private.txt': 'x',
    '.env': 'TOKEN=1',
    'node_modules/m/index.js': '',
    '.gitignore': 'private.txt\n',
    'link/.keep': '',
  };
  await folderOf('w', files);
});
after(async () => {
  if (homeBefore === undefined) delete process.env.UNMASK_HOME;
  else process.env.UNMASK_HOME = homeBefore;
  await rm(root, { recursive: true });
});

const own = [
  '.gitignore',
  'link/.keep',
  'src/a.ts',
  'src/b.test.ts',
  'src/key.ts',
  'test/a.test.ts',
  'test/fixtures/one.txt',
];

/** Creates a folder with these files. */
async function folderOf(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.join(root, name, path.dirname(file)), { recursive: true });
    await writeFile(path.join(root, name, file), text);
  }
  return path.join(root, name);
}

function git(cwd: string, ...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout.trim();
}

describe('the files of a workspace', () => {
  it('exclude ignored files and secrets, in a repository and without one', async () => {
    assert.deepEqual(await workspaceFiles(path.join(root, 'w')), own);
    spawnSync('git', ['init', '--quiet'], { cwd: path.join(root, 'w') });
    assert.deepEqual(await workspaceFiles(path.join(root, 'w')), own);
  });

  it('exclude ignored files in a subfolder of a repository', async () => {
    const inner = await folderOf('whole', { '.gitignore': 'local-*\n', 'p/a/local-x.js': '', 'p/a/b.js': '' });
    git(inner, 'init', '--quiet');
    assert.deepEqual(await workspaceFiles(path.join(inner, 'p/a')), ['b.js']);
  });

  it('of a folder that a repository ignores as a whole follow the rules of that folder', async () => {
    const outer = path.join(root, 'outer');
    const ignored = path.join(outer, 'scratch', 'w');
    await mkdir(ignored, { recursive: true });
    git(outer, 'init', '--quiet');
    await writeFile(path.join(outer, '.gitignore'), 'scratch/\n');
    for (const name of ['a.ts', 'private.txt']) await writeFile(path.join(ignored, name), '');
    assert.deepEqual(await workspaceFiles(ignored), ['a.ts', 'private.txt']);
    await writeFile(path.join(ignored, '.gitignore'), 'private.txt\n');
    assert.deepEqual(await workspaceFiles(ignored), ['.gitignore', 'a.ts']);
  });

  it('include links only to such files', async () => {
    const linked = await folderOf('linked', { '.gitignore': 'private\n', 'a.js': '', '.env': 'TOKEN=1', private: 'x' });
    await writeFile(path.join(root, 'elsewhere.js'), '');
    for (const [name, target] of [
      ['same.js', 'a.js'],
      ['notes.js', '.env'],
      ['ignored.js', 'private'],
      ['out.js', '../elsewhere.js'],
      ['nowhere.js', 'none'],
      ['folder', '..'],
    ] as const)
      await symlink(target, path.join(linked, name));
    assert.deepEqual(await workspaceFiles(linked), ['.gitignore', 'a.js', 'same.js']);
    // A committed file that has been replaced by a link.
    git(linked, 'init', '--quiet');
    await mkdir(path.join(linked, 'deep'));
    await writeFile(path.join(linked, 'deep', 'elsewhere.js'), '');
    git(linked, 'add', 'deep');
    await rm(path.join(linked, 'deep'), { recursive: true });
    await symlink('..', path.join(linked, 'deep'));
    assert.deepEqual(await workspaceFiles(linked), ['.gitignore', 'a.js', 'same.js']);
  });

  it('are listed without running programs that the repository configures', async () => {
    const hostile = await folderOf('hostile', { 'in/a.js': '1', 'out/b.js': '2' });
    const ran = path.join(root, 'ran');
    git(hostile, 'init', '--quiet');
    git(hostile, 'add', '.');
    git(hostile, '-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '--message', 'a');
    git(hostile, 'sparse-checkout', 'set', '--cone', '--sparse-index', 'in');
    // A tree that git would have to fetch first, with a program that the repository configures.
    const tree = git(hostile, 'rev-parse', 'HEAD:out');
    await rm(path.join(hostile, '.git/objects', tree.slice(0, 2), tree.slice(2)));
    for (const [name, value] of [
      ['core.repositoryFormatVersion', '1'],
      ['extensions.partialClone', 'origin'],
      ['remote.origin.promisor', 'true'],
      ['remote.origin.url', hostile],
      ['remote.origin.uploadpack', `touch '${ran}'; git-upload-pack`],
      ['protocol.allow', 'always'],
      ['core.fsmonitor', `touch '${ran}'; false`],
    ] as const)
      git(hostile, 'config', name, value);
    await workspaceFiles(hostile).catch((error: unknown) => assert.match(String(error), /repair the repository/));
    assert.ok(!existsSync(ran));
  });

  it('are recognised as secrets by name and by content', () => {
    const secret = [
      '.env',
      '.env.local',
      'a/id_rsa',
      'server.pem',
      'credentials.json',
      'secrets.yaml',
      '.npmrc',
      'x.p12',
    ];
    for (const name of secret) assert.ok(hasSecretName(name), name);
    for (const name of ['environment.ts', 'keys.ts', 'secret-santa.ts', 'id_rsa.md'])
      assert.ok(!hasSecretName(name), name);
    assert.ok(hasSecret(`token = "ghp_${'a'.repeat(36)}"`));
    assert.ok(hasSecret(`AKIA${'A1'.repeat(8)}`));
    assert.ok(!hasSecret('const key = process.env.KEY; // sk-learn'));
  });
});

describe('a snapshot', () => {
  const rules = { isFixed: (file: string) => file.includes('test'), stripTypes: true };

  it('separates tests from files that a run may change, and omits types and secrets', async () => {
    const snapshot = await takeSnapshot(path.join(root, 'w'), rules);
    assert.deepEqual(
      snapshot.files,
      own.filter((file) => file !== 'src/key.ts'),
    );
    assert.equal(await readFile(path.join(snapshot.free, 'src/a.ts'), 'utf8'), 'export const a         = 1;\n');
    assert.deepEqual(await readdir(path.join(snapshot.fixed, 'src')), ['b.test.ts']);
    // A folder that contains only tests is shown as a whole.
    assert.deepEqual(
      snapshot.shownFixed().map(({ inside }) => inside),
      ['work/src/b.test.ts', 'work/test'],
    );
    const opened = await openSnapshot(snapshot.digest);
    const { shownFixed, ...rest } = snapshot;
    assert.deepEqual({ ...opened, shownFixed: opened?.shownFixed() }, { ...rest, shownFixed: shownFixed() });
    // A file that a run replaces is left out, so its folder is shown file by file.
    assert.deepEqual(
      shownFixed(['test/a.test.ts']).map(({ inside }) => inside),
      ['work/src/b.test.ts', 'work/test/fixtures'],
    );
    assert.equal(await openSnapshot('0'.repeat(32)), null);
  });

  it('has another digest when a file changes', async () => {
    const first = await takeSnapshot(path.join(root, 'w'), rules);
    assert.equal((await takeSnapshot(path.join(root, 'w'), rules)).digest, first.digest);
    await writeFile(path.join(root, 'w', 'src/a.ts'), 'export const a = 2;\n');
    assert.notEqual((await takeSnapshot(path.join(root, 'w'), rules)).digest, first.digest);
  });
});
