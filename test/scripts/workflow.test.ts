import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { targets } from '../../scripts/packaging/package-extension.ts';

const root = path.join(import.meta.dirname, '..', '..');
const read = (file: string) => readFile(path.join(root, file), 'utf8');
const { scripts } = JSON.parse(await read('package.json')) as { scripts: Readonly<Record<string, string>> };

interface Workflow {
  readonly jobs: Readonly<
    Record<
      string,
      {
        readonly strategy?: { readonly matrix: { readonly target: readonly string[] } };
        readonly steps: readonly { readonly run?: string; readonly uses?: string }[];
      }
    >
  >;
}

describe('the workflow of continuous integration', async () => {
  const { jobs } = parse(await read('.github/workflows/ci.yml')) as Workflow;
  const steps = Object.values(jobs).flatMap((job) => job.steps);
  const commands = steps.flatMap(({ run }) => run ?? []);

  it('runs .ci/run, and packages for every platform', () => {
    assert.ok(commands.includes('.ci/run'));
    assert.deepEqual([...jobs.package!.strategy!.matrix.target].sort(), targets());
    assert.ok(commands.some((command) => /^npm run package -- \$\{\{ matrix\.target \}\}$/.test(command)));
  });

  it('names only scripts and files that exist', async () => {
    for (const command of commands) {
      for (const [, script] of command.matchAll(/npm run ([\w:-]+)/g)) assert.ok(scripts[script!], command);
      for (const [file] of command.matchAll(/(?<=^|\s)\.\/?[\w-]+\/[\w./-]+/g))
        assert.ok(existsSync(path.join(root, file)), command);
    }
    for (const [, file] of (await read('.github/workflows/ci.yml')).matchAll(/'((?:test|scripts)\/[^']+)'/g))
      assert.ok(existsSync(path.join(root, file!)), file);
    for (const step of steps) assert.equal(Number(step.run !== undefined) + Number(step.uses !== undefined), 1);
  });
});

it('issue templates are YAML with a name, a description and a body', async () => {
  const folder = '.github/ISSUE_TEMPLATE';
  for (const name of (await readdir(path.join(root, folder))).filter((file) => file !== 'config.yml')) {
    const template = parse(await read(`${folder}/${name}`));
    assert.deepEqual(Object.keys(template), ['name', 'description', 'labels', 'body'], name);
  }
});

it('tasks and launch configurations of VS Code name scripts and tasks that exist', async () => {
  const { tasks } = JSON.parse(await read('.vscode/tasks.json')) as { tasks: { label: string; script: string }[] };
  for (const { script } of tasks) assert.ok(scripts[script], script);
  const { configurations } = JSON.parse(await read('.vscode/launch.json')) as {
    configurations: { preLaunchTask?: string }[];
  };
  for (const { preLaunchTask } of configurations)
    if (preLaunchTask) assert.ok(tasks.some(({ label }) => label === preLaunchTask));
});

it('CONTRIBUTING.md names only files and scripts that exist', async () => {
  const text = await read('CONTRIBUTING.md');
  const named = [...text.matchAll(/`((?:src|test|docs|scripts|webview|harness|bench)\/[\w./-]+)`/g)].map(
    ([, file]) => file!,
  );
  assert.ok(named.includes('src/cli/command-line.ts'), 'the pattern finds file names');
  for (const file of named) assert.ok(existsSync(path.join(root, file)), file);
  for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g)) assert.ok(scripts[script!], script);
});
