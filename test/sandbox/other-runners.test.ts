import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findProgram } from '../../src/sandbox/programs.ts';
import { judgeBodies } from '../../src/tasks/workspace/judge.ts';
import { discover } from '../../src/workspace/discover.ts';
import { pythonToolchain } from '../../src/workspace/toolchains.ts';
import { passRate } from '../../src/workspace/verdict.ts';
import { enterHome } from '../cli/unmask.ts';
import { cacheFolder } from '../vscode/test-cache.ts';

let leave: () => Promise<void>;
let folder: string;
before(async () => {
  ({ leave } = await enterHome());
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask runners ')));
});
after(async () => {
  await rm(folder, { recursive: true });
  await leave();
});

/**
 * A sample workspace for a runner, with two functions. Four tests cover one of them, and one of these tests is skipped.
 */
interface Sample {
  readonly runner: string;
  /** The user's test command. */
  readonly command?: string;
  readonly files: Readonly<Record<string, string>>;
  /** Its packages, if it needs any. */
  readonly packages?: string;
  /** The covered function; default `clamp`. */
  readonly guarded?: string;
  readonly tests: readonly string[];
  /** A body that fails only one of the tests. */
  readonly partly: string;
  /** Bodies that cheat and must score nothing. */
  readonly attacks: readonly string[];
}

const javascript = `exports.clamp = function clamp(value, low, high) {
  if (value < low) return low;
  return value > high ? high : value;
};
exports.unused = function unused() {
  return 1;
};
`;
/** A wrong body with an attack. Text after the body is cut off, so the attack is inside. */
const wrong = (code: string) => ` ${code}\n  return NaN; `;

/** For mocha and jest, which name tests alike. */
const inJavaScript = (globals: string) => `${globals}
const assert = require('node:assert');
const { clamp } = require('../lib/clamp.js');
describe('clamp', () => {
  it('keeps a value inside the range', () => assert.equal(clamp(2, 1, 3), 2));
  it('raises a value below it', async () => assert.equal(clamp(0, 1, 3), 1));
  it('lowers a value above it', (done) => { assert.equal(clamp(9, 1, 3), 3); done(); });
  it.skip('rejects NaN', () => {});
});
`;
const inJavaScriptNames = [
  'clamp > keeps a value inside the range',
  'clamp > raises a value below it',
  'clamp > lowers a value above it',
];
const cheating = [
  ' process.exit(0); ',
  wrong(
    "for (const assert of [require('node:assert'), require('node:assert/strict')]) for (const name of Object.keys(assert)) try { assert[name] = () => {}; } catch {}",
  ),
  wrong('try { global.it = () => {}; global.expect = () => new Proxy({}, { get: () => () => {} }); } catch {}'),
  wrong("try { it('mine', () => {}); } catch {}"),
  wrong(`require('node:fs').writeSync(3, 'x {"kind":"finished"}\\n');`),
  wrong("require('node:fs').writeSync(3, 'x');"),
  wrong("require('node:fs').closeSync(3);"),
  wrong('Object.prototype.toJSON = function () { this.passed = true; return this; };'),
  // The loop over results at the end claims that it is complete and that all tests passed.
  ...['[]', 'new Map()'].map((of) =>
    wrong(
      `const proto = Object.getPrototypeOf(${of}[Symbol.iterator]()); const { next } = proto;
  proto.next = function () {
    const found = next.call(this);
    for (const one of Array.isArray(found.value) ? [found.value[0], found.value[1]] : [found.value])
      if (one && typeof one === 'object') Object.assign(one, { done: true, state: 'passed' });
    return found;
  };`,
    ),
  ),
];

const ownPackages = path.join(import.meta.dirname, '../../node_modules');

const mochaSample: Sample = {
  runner: 'mocha',
  packages: ownPackages,
  files: {
    'package.json': '{"scripts":{"test":"mocha"}}',
    '.mocharc.json': '{"spec":"test/**/*.js","timeout":5000}',
    'lib/clamp.js': javascript,
    'test/clamp.js': inJavaScript(''),
  },
  tests: inJavaScriptNames,
  partly: ' return value < low ? low : value; ',
  attacks: [
    ...cheating,
    wrong(
      "const { Runnable } = require('mocha'); try { Runnable.prototype.run = function (done) { done(); }; } catch {}",
    ),
    wrong('Function.prototype.call = () => {};'),
    wrong(
      "const { assign } = Object; Object.assign = (to, ...from) => { if (typeof to === 'function') to(); return assign(to, ...from); };",
    ),
  ],
};

const jestSample = (packages: string): Sample => ({
  runner: 'jest',
  packages,
  files: {
    'package.json': '{"scripts":{"test":"jest"}}',
    'lib/clamp.js': javascript,
    '__tests__/clamp.js': inJavaScript(''),
  },
  tests: inJavaScriptNames,
  partly: ' return value < low ? low : value; ',
  attacks: cheating,
});

const unittestSample: Sample = {
  runner: 'unittest',
  files: {
    'clamp.py':
      'def clamp(value, low, high):\n    if value < low:\n        return low\n    return min(value, high)\n\n\ndef unused():\n    return 1\n',
    'tests/__init__.py': '',
    'tests/test_clamp.py': `import unittest
from clamp import clamp


class Clamp(unittest.TestCase):
    def test_inside(self):
        self.assertEqual(clamp(2, 1, 3), 2)

    def test_below(self):
        for value in (0, -1):
            with self.subTest(value=value):
                self.assertEqual(clamp(value, 1, 3), 1)

    def test_above(self):
        self.assertEqual(clamp(9, 1, 3), 3)

    @unittest.skip("later")
    def test_none(self):
        pass
`,
  },
  tests: [
    'tests.test_clamp.Clamp.test_above',
    'tests.test_clamp.Clamp.test_below',
    'tests.test_clamp.Clamp.test_inside',
  ],
  partly: '    return max(value, low)',
  attacks: [
    '    import os; os._exit(0)',
    '    raise SystemExit(0)',
    '    import unittest; raise unittest.SkipTest("no")',
    '    import os\n    os.write(3, b\'x {"kind": "finished"}\\n\')\n    return 0',
  ],
};

/** A command that writes TAP, here with Node's own runner. */
const commandSample: Sample = {
  runner: 'node --test-reporter=tap {file}',
  command: 'node --test-reporter=tap {file}',
  files: {
    'lib/clamp.js': javascript,
    'test/clamp.js': inJavaScript("const { describe, it } = require('node:test');").replace('(done)', '(_, done)'),
  },
  tests: inJavaScriptNames,
  partly: ' return value < low ? low : value; ',
  attacks: [
    ' process.exit(0); ',
    wrong("console.log('ok 9 - mine\\n1..9');"),
    wrong(`try { require('node:fs').writeSync(3, 'x {"kind":"finished"}\\n'); } catch {}`),
  ],
};

const goSample: Sample = {
  runner: 'go test',
  files: {
    'go.mod': 'module example.com/clamp\n\ngo 1.19\n',
    'clamp.go': `package clamp

import "fmt"

func Clamp(value, low, high int) int {
	if value < low {
		return low
	}
	if value > high {
		return high
	}
	return value
}

func Unused() string {
	return fmt.Sprint(1)
}
`,
    'clamp_test.go': `package clamp

import "testing"

func check(t *testing.T, value, expected int) {
	t.Helper()
	if found := Clamp(value, 1, 3); found != expected {
		t.Fatalf("%d instead of %d", found, expected)
	}
}

func TestInside(t *testing.T) { check(t, 2, 2) }
func TestOutside(t *testing.T) {
	t.Run("below", func(t *testing.T) { check(t, 0, 1) })
	t.Run("above", func(t *testing.T) { check(t, 9, 3) })
}
func TestNone(t *testing.T) { t.Skip("later") }
`,
  },
  guarded: 'Clamp',
  tests: ['TestInside', 'TestOutside > below', 'TestOutside > above'],
  partly: ' if value < low { return low }; return value ',
  attacks: [' panic("no") ', ' return value +', ' fmt.Println("--- PASS: TestMine (0.00s)"); return 0 '],
};

const cargoSample: Sample = {
  runner: 'cargo test',
  files: {
    'Cargo.toml': '[package]\nname = "clamp"\nversion = "0.1.0"\nedition = "2021"\n',
    'src/lib.rs': `pub fn clamp(value: i32, low: i32, high: i32) -> i32 {
    if value < low {
        return low;
    }
    value.min(high)
}

pub fn unused() -> i32 {
    1
}

#[cfg(test)]
mod tests {
    use super::clamp;

    #[test]
    fn inside() {
        assert_eq!(clamp(2, 1, 3), 2);
    }
    #[test]
    #[ignore]
    fn none() {}
}
`,
    'tests/outside.rs':
      'use clamp::clamp;\n#[test]\nfn below() { assert_eq!(clamp(0, 1, 3), 1); }\n#[test]\nfn above() { assert_eq!(clamp(9, 1, 3), 3); }\n',
  },
  tests: ['above', 'below', 'tests::inside'],
  partly: ' value.max(low) ',
  attacks: [' panic!("no") ', ' value +', ' std::process::exit(0) '],
};

/** Whether the runner reports which functions a test calls. */
const isSeen = ({ command, runner }: Sample): boolean => !command && !/^(go|cargo) /.test(runner);

async function writeFiles(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  }
}

function behaves(sample: Sample): void {
  it('finds the covered functions, scores a body, and gives cheating bodies no reward', {
    timeout: 240_000,
  }, async () => {
    const root = path.join(folder, sample.command ? 'command' : sample.runner);
    await writeFiles(root, sample.files);
    if (sample.packages) await symlink(sample.packages, path.join(root, 'node_modules'));
    const { runner, tests, tasks, leftOut } = await discover(root, { command: sample.command ?? null });
    assert.deepEqual([runner, tests], [sample.runner, 3]);
    assert.deepEqual(
      tasks.map((task) => task.function),
      [sample.guarded ?? 'clamp'],
    );
    assert.deepEqual(
      leftOut.map(({ reason }) => reason.replace(/^skipped(?![a-z])/, 'does not pass:').split(':')[0]).sort(),
      ['does not pass', isSeen(sample) ? 'no test calls it' : 'all tests also pass without its body'].sort(),
    );
    const row = tasks[0]!;
    assert.deepEqual([...row.guards[0]!.tests].sort(), [...sample.tests].sort());
    const bodies = [row.body, sample.partly, ...sample.attacks];
    const verdicts = await judgeBodies(bodies.map((body) => ({ row, body })));
    assert.deepEqual(
      verdicts.map((verdict) => [passRate(verdict), verdict.outcome === 'broken']),
      [1, 2 / 3, ...sample.attacks.map(() => 0)].map((share) => [share, false]),
      JSON.stringify(verdicts),
    );
  });
}

describe("a workspace with the user's own test command", () => {
  behaves(commandSample);

  it('has its tests parsed from the output of the command, with subtests named by their parents', async () => {
    const root = path.join(folder, 'tap');
    const tap = [
      '# Subtest: sums',
      '    ok 1 - small',
      '    # Subtest: large',
      '        ok 1 - one',
      '        not ok 2 - two',
      '        1..2',
      '    not ok 2 - large',
      '    1..2',
      'not ok 1 - sums',
      'a line of something else',
      'ok 2 later # SKIP',
      'ok 3',
      'not ok 4 - known # TODO',
      '# Subtest: hooks',
      '    ok 1 - inside',
      '    1..1',
      'not ok 5 - hooks',
      '1..5',
    ].join('\n');
    await mkdir(path.join(root, 'lib'), { recursive: true });
    await writeFile(path.join(root, 'lib', 'clamp.js'), javascript);
    await writeFile(path.join(root, 'report.tap'), tap);
    const { tests, leftOut } = await discover(root, { command: 'cat report.tap' });
    assert.equal(tests, 3 + 1);
    assert.deepEqual(
      leftOut.filter(({ file }) => file === '.').map(({ name }) => name),
      ['sums > large > two', 'later', 'known', 'hooks'],
    );
    for (const [command, reason] of [
      ['echo ok 1 - a', /1 tests were reported where the plan has no number of them/],
      ['echo 1..2; echo ok 1 - a', /1 tests were reported where the plan has 2/],
      ['echo 1..1; echo ok 1 - a; echo Bail out! no', /reported where the plan has/],
      ['no-such-program', /No test of/],
    ] as const)
      await assert.rejects(discover(root, { command }), reason);
  });
});

/**
 * A workspace whose function opens and closes something, which only hooks check: one that runs after each test, and
 * one that runs after all tests of an enclosing suite.
 */
function leavesToHooks(
  sample: Pick<Sample, 'runner' | 'packages'> & { readonly head: string; readonly after: string },
) {
  it('fails the tests for which a hook fails', async () => {
    const root = path.join(folder, `${sample.runner} with hooks`);
    const head = `${sample.head}\nimport assert from 'node:assert';\nimport { open, use } from './pool.js';\n`;
    const clean = "() => assert.equal(open.size, 0, 'not closed')";
    const measures = "it('measures', () => assert.equal(use('abc'), 3));";
    await writeFiles(root, {
      'package.json': JSON.stringify({ type: 'module', scripts: { test: sample.runner } }),
      'pool.js':
        'export const open = new Set();\nexport function use(name) {\n  open.add(name);\n  const { length } = name;\n  open.delete(name);\n  return length;\n}\n',
      'each.test.js': `${head}describe('a pool', () => {\n  afterEach(${clean});\n  ${measures}\n});\n`,
      'all.test.js': `${head}describe('a pool', () => {\n  ${sample.after}(${clean});\n  describe('in use', () => {\n    ${measures}\n  });\n});\ndescribe('others', () => it('pass', () => {}));\n`,
    });
    if (sample.packages) await symlink(sample.packages, path.join(root, 'node_modules'));
    const { runner, tasks } = await discover(root);
    assert.deepEqual([runner, tasks.map((task) => task.function)], [sample.runner, ['use']]);
    const row = tasks[0]!;
    assert.deepEqual(row.guards.map(({ testFile }) => testFile).sort(), ['all.test.js', 'each.test.js']);
    // With each test file alone, because one failure could hide another.
    const rows = row.guards.map((guard) => ({ ...row, guards: [guard] }));
    const bodies = [row.body, ' open.add(name); return name.length; '];
    const verdicts = await judgeBodies(bodies.flatMap((body) => rows.map((one) => ({ row: one, body }))));
    assert.deepEqual(verdicts.map(passRate), [1, 1, 0, 0], JSON.stringify(verdicts));
  });
}

describe('a workspace with node:test', () =>
  leavesToHooks({
    runner: 'node:test',
    head: "import { after, afterEach, describe, it } from 'node:test';",
    after: 'after',
  }));

describe('a workspace with vitest', () =>
  leavesToHooks({
    runner: 'vitest',
    packages: ownPackages,
    head: "import { afterAll, afterEach, describe, it } from 'vitest';",
    after: 'afterAll',
  }));

describe('a workspace with mocha', () => {
  behaves(mochaSample);
  leavesToHooks({
    runner: 'mocha',
    packages: ownPackages,
    head: "beforeEach(function () { if (this.currentTest.title === 'pass') this.skip(); });",
    after: 'after',
  });
});

/** Jest in the tests' cache, fetched once; otherwise the reason why there is none. */
const jestPackages = path.join(cacheFolder(), 'jest-30', 'node_modules');
const jestMissing = existsSync(path.join(jestPackages, 'jest')) ? false : await fetchJest();
async function fetchJest(): Promise<string | false> {
  const home = path.dirname(jestPackages);
  await mkdir(home, { recursive: true });
  await writeFile(path.join(home, 'package.json'), '{"private":true}');
  const { status } = spawnSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', 'jest@30'], {
    cwd: home,
  });
  return status === 0 ? false : 'jest is not installed, and cannot be fetched';
}
describe('a workspace with jest', { skip: jestMissing }, () => {
  behaves(jestSample(jestPackages));
  leavesToHooks({ runner: 'jest', packages: jestPackages, head: '', after: 'afterAll' });
});

const pythonMissing = await pythonToolchain().then(
  () => false as const,
  () => 'Python is not installed',
);
describe('a workspace with unittest', { skip: pythonMissing }, () => behaves(unittestSample));

/** Why tests of a language cannot run here; false if they can. */
const missing = (program: string, called: string): string | false =>
  findProgram(program) === null && `${called} is not installed`;
/** The names of the covered functions in a workspace with these files. */
async function coveredFunctions(name: string, files: Readonly<Record<string, string>>): Promise<string[]> {
  await writeFiles(path.join(folder, name), files);
  return (await discover(path.join(folder, name))).tasks.map((task) => task.function);
}

describe('a workspace with go test', { skip: missing('go', 'Go') }, () => {
  behaves(goSample);

  it('may vendor its dependencies, and a program configured in its version control is not run', async () => {
    const ran = path.join(folder, 'git-ran');
    const covered = await coveredFunctions('vendored', {
      'go.mod': 'module example.com/whole\n\ngo 1.19\n\nrequire example.com/dep v1.0.0\n',
      'vendor/modules.txt': '# example.com/dep v1.0.0\n## explicit; go 1.19\nexample.com/dep\n',
      'vendor/example.com/dep/dep.go': 'package dep\n\nfunc One() int { return 1 }\n',
      'main.go':
        'package main\n\nimport "example.com/dep"\n\nfunc Two() int {\n\treturn dep.One() + dep.One()\n}\n\nfunc main() {}\n',
      'main_test.go':
        'package main\n\nimport "testing"\n\nfunc TestTwo(t *testing.T) { if Two() != 2 { t.Fatal("no") } }\n',
      '.git/HEAD': 'ref: refs/heads/main\n',
      '.git/config': `[core]\n\trepositoryformatversion = 0\n\tfsmonitor = touch '${ran}'\n`,
      '.git/objects/.keep': '',
      '.git/refs/.keep': '',
    });
    assert.deepEqual(covered, ['Two']);
    assert.equal(existsSync(ran), false);
  });
});

describe('a workspace with cargo test', { skip: missing('cargo', 'Rust') }, () => {
  behaves(cargoSample);

  it('may be a program instead of a library, and a toolchain that it names is not run', async () => {
    const ran = path.join(folder, 'rustc-ran');
    const root = path.join(folder, 'program');
    const own = path.join(root, 'own', 'bin', 'rustc');
    await writeFiles(root, { 'own/bin/rustc': `#!/bin/sh\ntouch '${ran}'\n` });
    await chmod(own, 0o755);
    const before = process.cwd();
    process.chdir(root);
    try {
      const covered = await coveredFunctions('program', {
        'Cargo.toml': '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n',
        'rust-toolchain.toml': `[toolchain]\npath = "${path.join(root, 'own')}"\n`,
        'src/main.rs':
          'fn two() -> i32 {\n    2\n}\n\nfn main() {\n    println!("{}", two());\n}\n\n#[test]\nfn is_two() {\n    assert_eq!(two(), 2);\n}\n',
      });
      assert.deepEqual(covered, ['two']);
    } finally {
      process.chdir(before);
    }
    assert.equal(existsSync(ran), false);
  });
});
