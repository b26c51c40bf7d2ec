import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
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
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.join(root, 'w', path.dirname(file)), { recursive: true });
    await writeFile(path.join(root, 'w', file), text);
  }
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

describe('the files of a workspace', () => {
  it('are those that git does not ignore and that hold no secret, in a repository and without one', async () => {
    assert.deepEqual(await workspaceFiles(path.join(root, 'w')), own);
    spawnSync('git', ['init', '--quiet'], { cwd: path.join(root, 'w') });
    assert.deepEqual(await workspaceFiles(path.join(root, 'w')), own);
  });

  it('are told from secrets by name and by content', () => {
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

  it('holds tests apart from what a run may change, without types and secrets', async () => {
    const snapshot = await takeSnapshot(path.join(root, 'w'), rules);
    assert.deepEqual(
      snapshot.files,
      own.filter((file) => file !== 'src/key.ts'),
    );
    assert.equal(await readFile(path.join(snapshot.free, 'src/a.ts'), 'utf8'), 'export const a         = 1;\n');
    assert.deepEqual(await readdir(path.join(snapshot.fixed, 'src')), ['b.test.ts']);
    // A folder of nothing but tests is shown as one.
    assert.deepEqual(
      snapshot.shownFixed.map(({ inside }) => inside),
      ['work/src/b.test.ts', 'work/test'],
    );
    assert.deepEqual(await openSnapshot(snapshot.digest), snapshot);
    assert.equal(await openSnapshot('0'.repeat(32)), null);
  });

  it('has another name when a file changes', async () => {
    const first = await takeSnapshot(path.join(root, 'w'), rules);
    assert.equal((await takeSnapshot(path.join(root, 'w'), rules)).digest, first.digest);
    await writeFile(path.join(root, 'w', 'src/a.ts'), 'export const a = 2;\n');
    assert.notEqual((await takeSnapshot(path.join(root, 'w'), rules)).digest, first.digest);
  });
});
