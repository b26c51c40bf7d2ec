import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import { judgeBodies } from '../../src/tasks/workspace/judge.ts';
import { type Discovery, discover } from '../../src/workspace/discover.ts';
import { workspacePython } from '../../src/workspace/runners/python.ts';
import { isTestData } from '../../src/workspace/runners/runner.ts';
import { pythonToolchain } from '../../src/workspace/toolchains.ts';
import { passRate } from '../../src/workspace/verdict.ts';
import { enterHome } from '../cli/unmask.ts';

let leave: () => Promise<void>;
let folder: string;
before(async () => {
  ({ leave } = await enterHome());
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask-untrusted-')));
});
after(async () => {
  await rm(folder, { recursive: true });
  await leave();
});

/** Creates a workspace with these files. */
async function workspaceOf(name: string, files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  const root = path.join(folder, name);
  for (const [file, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), content);
  }
  return root;
}

const names = ({ tasks }: Discovery): string[] => tasks.map((task) => task.function);

const python = await pythonToolchain().catch(() => null);
describe('a workspace with its own Python environment', { skip: !python && 'Python is not installed' }, () => {
  const files = {
    'two.py': 'from helper import one\n\n\ndef two():\n    return one() + one()\n',
    'test_two.py':
      'import unittest\nfrom two import two\n\n\nclass Two(unittest.TestCase):\n    def test_two(self):\n        self.assertEqual(two(), 2)\n',
  };
  const libraryName = `python${/\d+\.\d+/.exec(python?.version ?? '')}`;
  const settings = { '.venv/pyvenv.cfg': '' };

  /** The layout of `python3 -m venv`, with a package. */
  async function withEnvironment(name: string, more: Readonly<Record<string, string>> = {}): Promise<string> {
    const { program } = python!;
    const packages = `lib/${libraryName}/site-packages`;
    const root = await workspaceOf(name, {
      ...files,
      '.venv/pyvenv.cfg': `home = ${path.dirname(await realpath(program))}\ninclude-system-site-packages = false\n`,
      [`.venv/${packages}/helper.py`]: 'def one():\n    return 1\n',
      ...Object.fromEntries(Object.entries(more).map(([file, text]) => [`.venv/${packages}/${file}`, text])),
    });
    await mkdir(path.join(root, '.venv/bin'));
    await symlink(program, path.join(root, '.venv/bin/python3'));
    await symlink('python3', path.join(root, '.venv/bin/python'));
    return root;
  }

  it('can use the packages of its environment in the sandbox, and none of them runs outside', async () => {
    const ran = path.join(folder, 'package-ran');
    const root = await withEnvironment('environment', { 'evil.pth': `import os; open(${JSON.stringify(ran)}, "w")\n` });
    // The line fails in the sandbox, where it cannot write, and Python continues.
    assert.deepEqual(names(await discover(root)), ['two']);
    assert.ok(!existsSync(ran));
  });

  it('may have an active environment with any name', async () => {
    const ran = path.join(folder, 'active-ran');
    const root = await workspaceOf('active', { ...files, 'env/bin/python3': `#!/bin/sh\ntouch '${ran}'\n` });
    await chmod(path.join(root, 'env/bin/python3'), 0o755);
    const before = process.env.PATH;
    process.env.PATH = `${path.join(root, 'env/bin')}:${before}`;
    try {
      await assert.rejects(workspacePython(root), /env\/bin\/python3 is .* and is not run/);
    } finally {
      process.env.PATH = before;
    }
    assert.ok(!existsSync(ran));
  });

  it('does not run an interpreter that is another program', async () => {
    const ran = path.join(folder, 'program-ran');
    const script = `#!/bin/sh\ntouch '${ran}'\n`;
    const outside = await workspaceOf('elsewhere', { python3: script });
    await chmod(path.join(outside, 'python3'), 0o755);
    const assertRejected = async (name: string, target: string | null) => {
      const root = await workspaceOf(name, { ...files, ...settings, 'tools/python3': script, '.venv/bin/other': '' });
      await chmod(path.join(root, 'tools/python3'), 0o755);
      const place = path.join(root, '.venv/bin/python');
      if (target) await symlink(target, place);
      else await writeFile(place, script, { mode: 0o755 });
      await assert.rejects(
        discover(root),
        (error) => error instanceof UserError && /is not run; recreate the environment/.test(error.message),
      );
    };
    await assertRejected('script', null);
    await assertRejected('link', '../../tools/python3');
    await assertRejected('link-out', path.join(outside, 'python3'));
    await assertRejected('link-to-no-python', '/bin/sh');
    assert.ok(!existsSync(ran));
  });

  it('does not expose the targets of links in its environment', async () => {
    const root = await withEnvironment('leading-out');
    const secret = await workspaceOf('secret', { key: 'x' });
    const packages = path.join(root, '.venv/lib', libraryName, 'site-packages');
    await rm(packages, { recursive: true });
    await symlink(secret, packages);
    const { shown } = await workspacePython(root);
    assert.ok(!shown.some(({ host }) => host === packages));
    await rm(path.join(root, '.venv/pyvenv.cfg'));
    await symlink(path.join(secret, 'key'), path.join(root, '.venv/pyvenv.cfg'));
    await assert.rejects(workspacePython(root), /without a pyvenv\.cfg/);
  });
});

describe('a workspace with files that are not in UTF-8', () => {
  it('includes the functions of the other files, and reports the reason', async () => {
    const root = await workspaceOf('latin', {
      'one.js': 'exports.one = () => 1;\nexports.named = function named() {\n  return 1;\n};\n',
      'latin.js': Buffer.from('exports.word = function word() {\n  return "\xe4";\n};\n', 'latin1'),
      'one.test.js':
        "const test = require('node:test');\nconst { named } = require('./one.js');\nconst { word } = require('./latin.js');\ntest('one', () => { if (named() !== 1 || word().length !== 1) throw new Error('no'); });\n",
    });
    const found = await discover(root);
    assert.deepEqual(names(found), ['named']);
    assert.deepEqual(
      found.leftOut.find(({ file }) => file === 'latin.js'),
      { file: 'latin.js', name: null, reason: 'the file is not UTF-8' },
    );
  });
});

describe('the data that tests compare with', () => {
  it('is recognised by its folder', () => {
    const data = [
      'test/golden/a.txt',
      'pkg/goldens/a.txt',
      'testdata/a',
      'src/__fixtures__/a.json',
      'src/__snapshots__/a.snap',
      'tests/unit/fixtures/a.json',
      'spec/snapshots/a.png',
      'test/a.test.js.snapshot',
    ];
    for (const file of data) assert.ok(isTestData(file), file);
    for (const file of ['src/fixtures/a.js', 'src/snapshots/a.ts', 'test/out/a.txt', 'golden.ts', 'snapshot.ts'])
      assert.ok(!isTestData(file), file);
  });

  it('cannot be changed by a candidate, but new files can be written next to it', async () => {
    const root = await workspaceOf('golden', {
      'render.js': 'exports.render = function render() {\n  return "right";\n};\n',
      'test/golden/render.txt': 'right',
      'test/tmp/kept.txt': '',
      'test/render.test.js': `const test = require('node:test');
const { readFileSync, writeFileSync } = require('node:fs');
const { render } = require('../render.js');
test('renders', () => {
  writeFileSync(__dirname + '/tmp/render.txt', render());
  const [made, right] = ['tmp', 'golden'].map((name) => readFileSync(__dirname + '/' + name + '/render.txt', 'utf8'));
  if (made !== right) throw new Error('no');
});
`,
    });
    const [row] = (await discover(root)).tasks;
    const attack =
      "\n  try { require('node:fs').writeFileSync(__dirname + '/test/golden/render.txt', 'wrong'); } catch {}\n  return 'wrong';\n";
    const verdicts = await judgeBodies([row!.body, attack].map((body) => ({ row: row!, body })));
    assert.deepEqual(verdicts.map(passRate), [1, 0]);
  });
});
