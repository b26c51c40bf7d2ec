import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { workspaceFiles } from '../../src/workspace/files.ts';
import { findRunner } from '../../src/workspace/runners/find-runner.ts';

/** Runs `use` on a folder with these files; packages are empty, because nothing is run. */
async function inWorkspace(files: Record<string, string>, use: (root: string) => Promise<void>): Promise<void> {
  const root = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask-runner-')));
  try {
    for (const [file, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(root, file)), { recursive: true });
      await writeFile(path.join(root, file), content);
    }
    await use(root);
  } finally {
    await rm(root, { recursive: true });
  }
}

const found = async (root: string) => {
  const files = await workspaceFiles(root);
  const runner = await findRunner(root, files);
  return { name: runner.name, tests: files.filter((file) => runner.isTest(file)), runner };
};

const manifest = (scripts: Record<string, string>, devDependencies: Record<string, string> = {}): string =>
  JSON.stringify({ scripts, devDependencies });
const installed = (name: string, folder = '') => ({ [`${folder}node_modules/${name}/package.json`]: '{}' });

describe('the runner of a workspace', () => {
  it('is the one of the nearest package, where only packages name it', async () => {
    await inWorkspace(
      {
        'package.json': manifest({ test: 'turbo run test' }),
        ...installed('vitest'),
        'packages/sum/package.json': manifest({ test: 'vitest run' }),
        'packages/sum/vitest.config.ts': 'export default { test: { globals: true } };',
        'packages/sum/src/sum.test.ts': "it('adds', () => {});",
      },
      async (root) => {
        const { name, tests, runner } = await found(root);
        assert.deepEqual([name, tests], ['vitest', ['packages/sum/src/sum.test.ts']]);
        assert.equal(runner.folderOf?.(tests[0]!), 'packages/sum');
        const { job, input } = runner.job(tests, true);
        assert.deepEqual((input as { files: string[] }).files, ['src/sum.test.ts']);
        assert.equal(job.command.at(-1), '../../../kit/vitest.mjs');
        assert.equal(runner.isConfiguration('packages/sum/vitest.config.ts'), true);
      },
    );
  });

  it('is found by a configuration or as the only one that the package depends on', async () => {
    await inWorkspace(
      {
        'package.json': manifest({ test: 'nx run-many -t test' }, { jest: '30', nx: '21' }),
        ...installed('jest'),
        'libs/area/package.json': '{}',
        'libs/area/jest.config.ts': 'export default {};',
        'libs/area/src/area.spec.ts': "test('area', () => {});",
      },
      async (root) => assert.deepEqual((await found(root)).tests, ['libs/area/src/area.spec.ts']),
    );
    await inWorkspace(
      {
        'package.json': manifest({ test: 'nx run-many -t test' }, { jest: '30' }),
        ...installed('jest'),
        'libs/area/jest.config.ts': 'export default {};',
        'libs/area/src/area.spec.ts': "test('area', () => {});",
      },
      async (root) => assert.equal((await found(root)).name, 'jest'),
    );
  });

  it('may be several, one for each package', async () => {
    await inWorkspace(
      {
        'package.json': manifest({ test: 'pnpm -r test' }),
        'packages/v/package.json': manifest({ test: 'vitest' }),
        ...installed('vitest', 'packages/v/'),
        'packages/v/a.test.ts': "import { it } from 'vitest';",
        'packages/j/package.json': manifest({ test: 'jest' }),
        ...installed('jest', 'packages/j/'),
        'packages/j/b.test.ts': "it('b', () => {});",
      },
      async (root) => {
        const { name, tests, runner } = await found(root);
        assert.deepEqual([...name.split(', ')].sort(), ['jest', 'vitest']);
        assert.deepEqual(tests, ['packages/j/b.test.ts', 'packages/v/a.test.ts']);
        assert.match(runner.job(['packages/j/b.test.ts'], false).job.command.at(-1)!, /jest\.mjs$/);
        const { shown = [] } = runner.job(['packages/v/a.test.ts'], false).job;
        assert.ok(shown.some(({ inside }) => inside === 'work/packages/v/node_modules'));
      },
    );
  });

  it('of Python is pytest by its configuration or its classes', async () => {
    const test = 'class TestAdd:\n    def test_small(self):\n        assert 1 + 1 == 2\n';
    for (const files of [
      { 'pyproject.toml': '[tool.pytest.ini_options]\n' },
      { 'setup.cfg': '[tool:pytest]\n' },
      { 'README.md': '' },
    ] as Record<string, string>[])
      await inWorkspace({ ...files, 'tests/test_calc.py': test, 'src/calc/__init__.py': '' }, async (root) => {
        const { name, runner } = await found(root);
        assert.equal(name, 'pytest');
        assert.equal(runner.job([], false).job.environment?.PYTHONPATH, '../kit:.:src');
      });
  });

  it('is mocha with the options of the test script that decide how tests are loaded', async () => {
    const script = 'c8 mocha --ui tdd --reporter dot -r "./test/setup.js" test/*.js && mocha --ui bdd other';
    await inWorkspace(
      { 'package.json': manifest({ test: script }), ...installed('mocha'), 'test/a.js': "suite('a', () => {});" },
      async (root) => {
        const { runner } = await found(root);
        assert.equal(runner.name, 'mocha');
        assert.deepEqual(runner.job(['test/a.js'], false).input.options, ['--ui', 'tdd', '-r', './test/setup.js']);
      },
    );
  });

  it('takes the tests that its configuration includes', async () => {
    await inWorkspace(
      {
        'package.json': manifest({ test: 'vitest run' }),
        ...installed('vitest'),
        'vitest.config.ts': "export default defineConfig({ test: { include: ['checks/**/*.ts', 'x/{a,b}.ts'] } });",
        'checks/one.ts': '',
        'checks/deep/two.ts': '',
        'x/b.ts': '',
        'x/c.ts': '',
      },
      async (root) => assert.deepEqual((await found(root)).tests, ['checks/deep/two.ts', 'checks/one.ts', 'x/b.ts']),
    );
  });

  it('reads a package.json with a byte order mark', async () => {
    await inWorkspace(
      { 'package.json': `\uFEFF${manifest({ test: 'vitest' })}`, ...installed('vitest'), 'a.test.ts': '' },
      async (root) => assert.equal((await found(root)).name, 'vitest'),
    );
  });

  it('is named with what to do, if it is not supported or not installed', async () => {
    const refusals: [Record<string, string>, RegExp][] = [
      [
        { 'package.json': manifest({ test: 'bun test' }), 'a.test.ts': "import { it } from 'bun:test';" },
        /use bun, .*TAP/,
      ],
      [{ 'package.json': '{}', 'a.test.ts': "import { it } from 'bun:test';" }, /use bun, /],
      [{ 'a_test.ts': "Deno.test('x', () => {});" }, /use deno, .*deno test --reporter=tap \{file\}/],
      [{ 'package.json': manifest({ test: 'uvu tests' }), 'tests/a.js': "import { test } from 'uvu';" }, /use uvu, /],
      [{ 'package.json': manifest({ test: 'ava' }), 'test.js': "import test from 'ava';" }, /npx ava --tap \{file\}/],
      [{ 'package.json': manifest({ test: 'vitest' }), 'pnpm-lock.yaml': '', 'a.test.ts': '' }, /run pnpm install/],
    ];
    for (const [files, message] of refusals)
      await inWorkspace(files, async (root) => {
        await assert.rejects(found(root), message);
      });
  });

  it('is not looked for in virtual environments', async () => {
    await inWorkspace(
      { 'env311/pyvenv.cfg': '', 'env311/lib/site.py': 'def f(): pass', 'a.py': '', 'test_a.py': 'def test_a(): pass' },
      async (root) => assert.deepEqual(await workspaceFiles(root), ['a.py', 'test_a.py']),
    );
  });
});
