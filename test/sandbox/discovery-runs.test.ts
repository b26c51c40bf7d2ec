import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { discover } from '../../src/workspace/discover.ts';
import { enterHome } from '../cli/unmask.ts';

let leave: () => Promise<void>;
let folder: string;
before(async () => {
  ({ leave } = await enterHome());
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask-discovery-')));
});
after(async () => {
  await rm(folder, { recursive: true });
  await leave();
});

async function workspace(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = path.join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.join(root, path.dirname(file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  }
  return root;
}

const namesOf = (tasks: readonly { readonly function: string }[]) => tasks.map((task) => task.function);

/** A discovery, with the number of its steps that removed bodies. */
async function discoverAndCount(root: string) {
  let removals = 0;
  const onProgress = (_done: number, _total: number, what: string) => {
    if (what === 'functions') removals++;
  };
  return { ...(await discover(root, { onProgress })), removals };
}

describe('discovery', () => {
  it('removes bodies together if no test calls two of the functions, with the verdicts of runs of their own', async () => {
    const root = await workspace('node', {
      'package.json': '{ "type": "module", "scripts": { "test": "node --test" } }',
      'text.js': [
        'export function shout(text) {\n  return text.toUpperCase();\n}',
        'export function whisper(text) {\n  return text.toLowerCase();\n}',
        'export function fast(text) {\n  return text.length > 3 ? text[0] : undefined;\n}',
        'export function slow(text) {\n  return text.charAt(0);\n}',
        // Without `fast`, this one calls `slow` and has the same result.
        'export function first(text) {\n  return fast(text) ?? slow(text);\n}',
        '',
      ].join('\n'),
      'test/text.test.js': [
        "import assert from 'node:assert/strict';",
        "import { describe, it } from 'node:test';",
        "import { first, shout, slow, whisper } from '../text.js';",
        "describe('text', () => {",
        "  it('shouts', () => assert.equal(shout('a'), 'A'));",
        "  it('whispers', () => assert.equal(whisper('A'), 'a'));",
        "  it('begins', () => assert.equal(first('four'), 'f'));",
        "  it('begins slowly', () => assert.equal(slow('bc'), 'b'));",
        '});',
      ].join('\n'),
    });
    const { tasks, leftOut, removals } = await discoverAndCount(root);
    assert.deepEqual(
      tasks.map((task) => [task.function, task.guards.flatMap(({ tests }) => tests)]),
      [
        ['shout', ['text > shouts']],
        ['whisper', ['text > whispers']],
        ['slow', ['text > begins slowly']],
        ['first', ['text > begins']],
      ],
    );
    assert.deepEqual(
      leftOut.map(({ name, reason }) => [name, reason]),
      [['fast', 'the tests that call it also pass without its body']],
    );
    // Four functions, and `first`, which calls two of them.
    assert.equal(removals, 2);
  });

  it('with pytest keeps calls of shared fixtures apart from those of a test', async () => {
    const root = await workspace('pytest', {
      'pytest.ini': '[pytest]\n',
      'numbers_.py': [
        'def double(x):\n    return 2 * x\n',
        'def half(x):\n    return x / 2\n',
        'def load():\n    return [1, 2]\n',
      ].join('\n'),
      'test_numbers.py': [
        'import pytest',
        'from numbers_ import double, half, load',
        '@pytest.fixture(scope="module")',
        'def values():\n    return load()',
        'def test_double(values):\n    assert double(values[0]) == 2',
        'def test_half(values):\n    assert half(values[1]) == 1',
        '@pytest.mark.skip(reason="later")',
        'def test_later():\n    assert False',
      ].join('\n'),
    });
    const { tasks, removals, leftOut } = await discoverAndCount(root);
    assert.deepEqual(
      tasks.map((task) => [task.function, task.guards.flatMap(({ tests }) => tests)]),
      [
        ['double', ['test_numbers.py::test_double']],
        ['half', ['test_numbers.py::test_half']],
        ['load', ['test_numbers.py::test_double', 'test_numbers.py::test_half']],
      ],
    );
    // `double` and `half`, and `load`.
    assert.equal(removals, 2);
    assert.deepEqual(
      leftOut.map(({ reason }) => reason),
      ['skipped: later'],
    );
  });
});

/**
 * A plugin with the options of pytest-cov and pytest-xdist, by their names there. It ends the session if coverage is measured, or if
 * workers run the tests.
 */
const plugin = `
import pytest

def pytest_addoption(parser):
    group = parser.getgroup("stand-ins")
    group.addoption("--cov", action="append", dest="cov_source", nargs="?", const=True, default=[])
    group.addoption("--cov-fail-under", type=float, dest="cov_fail_under", default=0)
    group._addoption("-n", dest="numprocesses", default=None)
    group.addoption("--dist", dest="dist", default="no")
    group.addoption("--tx", action="append", dest="tx", default=[])

def pytest_load_initial_conftests(early_config):
    if early_config.known_args_namespace.cov_source:
        raise pytest.UsageError("coverage is measured")

def pytest_configure(config):
    if config.option.numprocesses or config.option.tx or config.option.dist != "no":
        raise pytest.UsageError("the tests run in workers")
`;

describe('a workspace whose configuration of pytest asks for coverage, workers and no output', () => {
  it('is run whole, in one process', async () => {
    const root = await workspace('plugins', {
      'pytest.ini': '[pytest]\naddopts = -p stand_ins --cov --cov-fail-under=100 -n auto --maxfail=1 -p no:terminal\n',
      'stand_ins.py': plugin,
      'sums.py': 'def add(a, b):\n    return a + b\n\n\ndef never(a):\n    return a - 1\n',
      'test_sums.py':
        'from sums import add\n\n\ndef test_wrong():\n    assert add(1, 1) == 3\n\n\ndef test_add():\n    assert add(1, 2) == 3\n',
    });
    const { tasks, tests, leftOut } = await discover(root);
    assert.deepEqual(namesOf(tasks), ['add']);
    assert.equal(tests, 1);
    assert.ok(leftOut.some(({ name, reason }) => name === 'test_sums.py::test_wrong' && /does not pass/.test(reason)));
  });

  it('reports why its tests cannot be loaded', async () => {
    const root = await workspace('unloadable', {
      'pytest.ini': '[pytest]\n',
      'test_missing.py': 'import no_such_package\n\n\ndef test_it():\n    assert True\n',
    });
    await assert.rejects(discover(root), /test_missing\.py: .*ModuleNotFoundError: No module named 'no_such_package'/);
  });
});
