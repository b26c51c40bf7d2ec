import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { discover } from '../../src/workspace/discover.ts';
import { enterHome } from '../cli/unmask.ts';
import { cacheFolder } from '../vscode/test-cache.ts';

const vitestPackages = path.join(import.meta.dirname, '../../node_modules');
/** Installed by `other-runners.test.ts`, which runs before this file. */
const jestPackages = path.join(cacheFolder(), 'jest-30', 'node_modules');
const skip = existsSync(path.join(jestPackages, 'jest')) ? false : 'jest is not installed in the test cache';

let leave: () => Promise<void>;
let folder: string;
before(async () => {
  ({ leave } = await enterHome());
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask-monorepo-')));
});
after(async () => {
  await rm(folder, { recursive: true });
  await leave();
});

async function workspace(
  name: string,
  files: Readonly<Record<string, string>>,
  packages: Readonly<Record<string, string>>,
): Promise<string> {
  const root = path.join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.join(root, path.dirname(file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  }
  for (const [inside, target] of Object.entries(packages)) await symlink(target, path.join(root, inside));
  return root;
}

const clamp = 'function clamp(value, low) {\n  if (value < low) return low;\n  return value;\n}\n';

describe('a monorepo whose packages have runners of their own', { skip }, () => {
  it('is one discovery with every runner', async () => {
    const root = await workspace(
      'turbo',
      {
        'package.json': JSON.stringify({ workspaces: ['packages/*', 'libs/*'], scripts: { test: 'turbo run test' } }),
        'turbo.json': '{"tasks":{"test":{}}}',
        'packages/v/package.json': '{"name":"v","type":"module","scripts":{"test":"vitest run"}}',
        'packages/v/vitest.config.ts': 'export default { test: { globals: true } };\n',
        'packages/v/src/area.ts': 'export function area(side: number): number {\n  return side * side;\n}\n',
        'packages/v/src/area.test.ts':
          "import { area } from './area';\ndescribe('area', () => {\n  it('is a square', () => expect(area(3)).toBe(9));\n});\n",
        'libs/j/package.json': '{"name":"j"}',
        'libs/j/jest.config.js': 'module.exports = { testEnvironment: "node" };\n',
        'libs/j/src/clamp.js': `${clamp}module.exports = { clamp };\n`,
        'libs/j/src/clamp.spec.js':
          "const { clamp } = require('./clamp');\ntest('raises a value', () => expect(clamp(0, 1)).toBe(1));\n",
      },
      { 'packages/v/node_modules': vitestPackages, 'libs/j/node_modules': jestPackages },
    );
    const { runner, tests, tasks, leftOut } = await discover(root);
    assert.deepEqual(runner.split(', ').sort(), ['jest', 'vitest']);
    assert.equal(tests, 2);
    assert.deepEqual(
      tasks.map((task) => [task.file, task.function, task.guards[0]?.testFile]).sort(),
      [
        ['libs/j/src/clamp.js', 'clamp', 'libs/j/src/clamp.spec.js'],
        ['packages/v/src/area.ts', 'area', 'packages/v/src/area.test.ts'],
      ],
      JSON.stringify(leftOut),
    );
  });
});

describe('a package of modules with jest', { skip }, () => {
  const files = {
    'package.json': '{"type":"module","scripts":{"test":"jest"}}',
    'jest.config.js':
      'export default { testEnvironment: "node", transform: {}, moduleNameMapper: { "^(\\\\.{1,2}/.*)\\\\.js$": "$1" } };\n',
    'src/clamp.js': `export ${clamp}`,
    'src/old.cjs': 'module.exports = { two: 2 };\n',
    'src/clamp.test.js':
      "import { clamp } from './clamp.js';\nimport old from './old.cjs';\ntest('raises', () => expect(clamp(0, old.two)).toBe(2));\n",
  };

  it('runs with the names that its configuration maps', async () => {
    const { tasks, leftOut } = await discover(await workspace('mapped', files, { node_modules: jestPackages }));
    assert.deepEqual(
      tasks.map((task) => task.function),
      ['clamp'],
      JSON.stringify(leftOut),
    );
  });

  it('is refused in the words of jest if jest itself cannot resolve a name', async () => {
    const root = await workspace(
      'unresolved',
      { ...files, 'src/clamp.test.js': files['src/clamp.test.js'].replace('./old.cjs', './gone.cjs') },
      { node_modules: jestPackages },
    );
    await assert.rejects(discover(root), /Cannot find module '\.\/gone\.cjs' from 'src\/clamp\.test\.js'/);
  });
});
