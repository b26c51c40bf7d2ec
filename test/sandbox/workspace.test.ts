import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { UserError } from '../../src/platform/errors.ts';
import { dryRun } from '../../src/tasks/workspace/dry-run.ts';
import { judgeBodies } from '../../src/tasks/workspace/judge.ts';
import { lessons } from '../../src/tasks/workspace/lessons.ts';
import { plainPrompt } from '../../src/tasks/workspace/prompt.ts';
import type { WorkspaceRow } from '../../src/tasks/workspace/row.ts';
import { type Discovery, discover } from '../../src/workspace/discover.ts';
import { pythonToolchain } from '../../src/workspace/toolchains.ts';
import { passRate } from '../../src/workspace/verdict.ts';
import { document, enterHome, refusal } from '../cli/unmask.ts';
import { writeAsciiModel } from './ascii-model.ts';
import { type CleanMachine, cleanMachine } from './clean-machine.ts';

const samples = path.join(import.meta.dirname, '../workspaces');

let leave: () => Promise<void>;
let machine: CleanMachine;
let folder: string;
before(async () => {
  ({ leave } = await enterHome());
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask workspaces ä ')));
  machine = await cleanMachine();
});
after(async () => {
  await machine.assertClean();
  await machine.leave();
  await rm(folder, { recursive: true });
  await leave();
});

/** Creates a workspace with these files. */
async function workspaceOf(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = path.join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  }
  return root;
}

const taskOf = ({ tasks }: Discovery, name: string): WorkspaceRow => {
  const task = tasks.find((candidate) => candidate.function === name);
  assert.ok(task, `${name} is no task`);
  return task;
};

const share = async (row: WorkspaceRow, body: string) => {
  const [verdict] = await judgeBodies([{ row, body }]);
  assert.notEqual(verdict!.outcome, 'broken', JSON.stringify(verdict));
  return passRate(verdict!);
};

/** Checks that these bodies fail, and that the original passes after every fourth of them. */
async function assertWithoutReward(row: WorkspaceRow, attacks: readonly string[]): Promise<void> {
  const bodies = attacks.flatMap((attack, index) => [
    { body: attack, expected: 0 },
    ...(index % 4 === 3 ? [{ body: `${row.body}// ${index}\n`, expected: 1 }] : []),
  ]);
  const verdicts = await judgeBodies(bodies.map(({ body }) => ({ row, body })));
  for (const [index, { body, expected }] of bodies.entries())
    assert.equal(passRate(verdicts[index]!), expected, `${body}\n${JSON.stringify(verdicts[index])}`);
}

describe('a workspace in TypeScript, with node:test', () => {
  let till: Discovery;
  before(async () => {
    // A path with blanks and non-ASCII letters, as users have them.
    await cp(path.join(samples, 'till'), path.join(folder, 'till'), { recursive: true });
    till = await discover(path.join(folder, 'till'));
  });

  it('finds the covered functions, and reports why others are left out', () => {
    assert.equal(till.runner, 'node:test');
    assert.deepEqual(till.tasks.map((task) => task.function).sort(), [
      'Basket.add',
      'Basket.constructor',
      'Basket.discounted',
      'Basket.size',
      'Basket.total',
      'addMoney',
      'formatMoney',
      'parseMoney',
      'percentOf',
    ]);
    assert.deepEqual(Object.fromEntries(till.leftOut.map(({ name, reason }) => [name, reason])), {
      'splits an amount evenly': 'skipped',
      negate: 'no test calls it',
      'Basket.audit': 'the tests that call it also pass without its body',
    });
    const { guards } = taskOf(till, 'percentOf');
    assert.deepEqual(
      guards.map(({ testFile, tests }) => [testFile, tests]),
      [
        ['test/money.test.ts', ['takes a share']],
        ['test/basket.test.ts', ['a basket > takes a discount off']],
      ],
    );
  });

  it('can be discovered again without running the tests of known functions', async () => {
    const again = await discover(path.join(folder, 'till'));
    assert.deepEqual([again.runs, again.tasks.length], [2, till.tasks.length]);
  });

  it('scores a body by the tests that cover it', async () => {
    const row = taskOf(till, 'parseMoney');
    assert.equal(await share(row, row.body), 1);
    assert.equal(await share(row, '\n  return { amount: 100 * Number(text), currency };\n'), 3 / 4);
    assert.equal(await share(row, ' return (; '), 0);
    const discounted = taskOf(till, 'Basket.discounted');
    assert.equal(
      await share(discounted, `${discounted.body.trimEnd()}\n  }`),
      1,
      'a completion that closes the function is not penalised',
    );
  });

  it('can be scored as long as it is unchanged', async () => {
    const names = ['percentOf', 'parseMoney'];
    const seen: string[] = [];
    const result = await dryRun(
      names.map((name) => taskOf(till, name)),
      { onProgress: (done, total) => seen.push(`${done}/${total}`) },
    );
    assert.deepEqual([result.n, result.passing, result.workspace], [2, 2, path.join(folder, 'till')]);
    assert.deepEqual(
      result.functions.map((one) => [one.function, one.outcome, one.reason, one.tests.length]),
      [
        ['percentOf', 'scored', null, 2],
        ['parseMoney', 'scored', null, 4],
      ],
    );
    assert.deepEqual(seen, ['1/2', '2/2']);
    // A new test that fails with the current code: it did not fail before, so now there is no reward.
    const row = taskOf(till, 'parseMoney');
    const red = await dryRun([{ ...row, body: ' return { amount: 0, currency }; ' }]);
    assert.deepEqual([red.passing, red.functions[0]!.reason], [0, 'a test that covers it fails on the current code']);
    assert.ok(red.functions[0]!.tests.some(({ passed, message }) => !passed && message));
    const file = path.join(folder, 'till', 'src', 'money.ts');
    const text = await readFile(file, 'utf8');
    await writeFile(file, `${text}// changed\n`);
    await assert.rejects(dryRun([row]), /has changed since its functions were found. Find them again with/);
    await writeFile(file, text);
  });

  it('can be learned part by part, with a reward that depends on how much its tests notice', async () => {
    const [percentOf, parseMoney] = [taskOf(till, 'percentOf'), taskOf(till, 'parseMoney')];
    const { levels } = await lessons([percentOf, parseMoney]);
    assert.deepEqual(levels.at(-1)!.name, 'body');
    const parts = levels.slice(0, -1).flatMap(({ rows }) => rows);
    assert.ok(parts.length >= 4, `${parts.length} parts`);
    for (const part of parts) {
      const whole = part.function === 'percentOf' ? percentOf : parseMoney;
      assert.equal(part.prefix + part.body + part.suffix, whole.prefix + whole.body + whole.suffix);
      // Text that does not parse is worth nothing, and is not run.
      const [broken] = await judgeBodies([{ row: part, body: '(((' }]);
      assert.deepEqual([broken!.outcome, broken!.seconds], ['failed', 0]);
    }
    const [own] = parts.filter(({ part }) => part === 'line');
    const [verdict] = await judgeBodies([{ row: own!, body: own!.body }]);
    assert.equal(passRate(verdict!), 1);

    // A test that only calls the function notices no change of it.
    const testFile = 'test/weak.test.ts';
    const weak = await workspaceOf('weak', {
      'package.json': '{"type":"module"}',
      'double.ts': 'export function double(n: number): number {\n  const twice = n * 2;\n  return twice + 0;\n}\n',
      [testFile]:
        "import test from 'node:test';\nimport assert from 'node:assert';\nimport { double } from '../double.ts';\ntest('returns a number', () => assert.equal(typeof double(1), 'number'));\n",
    });
    const { tasks } = await discover(weak);
    const found = await lessons(tasks);
    assert.deepEqual(found.levels, []);
    assert.match(
      found.findings.join(),
      /^Weak tests: the tests of double in double\.ts notice 0 of \d small changes \(for example line 2: .*\); it is not trained on\.$/,
    );
  });

  it('gives cheating bodies no reward', async () => {
    const row = taskOf(till, 'parseMoney');
    // Text after a body is cut off, so the attacks are inside.
    const wrong = (code: string) => ` const of = process.getBuiltinModule; ${code}\n return { amount: 0, currency }; `;
    const attacks = [
      ' process.exit(0); ',
      ' for (;;); ',
      ' return { amount: 0, currency }; } process.exit(0); { ',
      wrong(
        "for (const name of ['test/money.test.ts', 'package.json', 'node_modules/x.js', 'src/money.test.ts']) try { of('node:fs').writeFileSync(name, ''); } catch {}",
      ),
      wrong("const test = of('node:test'); try { test.it = (name, body) => test(name, () => {}); } catch {}"),
      wrong(
        "for (const assert of [of('node:assert'), of('node:assert/strict')]) for (const name of Object.keys(assert)) try { assert[name] = () => {}; } catch {}",
      ),
      wrong("void of('node:test')('mine', () => {});"),
      wrong('of(\'node:fs\').writeSync(3, \'x {"kind":"finished"}\\n\');'),
      wrong("of('node:fs').writeSync(3, 'x');"),
      wrong("of('node:fs').closeSync(3);"),
      wrong("const fs = of('node:fs'); fs.closeSync(3); fs.openSync('/tmp/x', 'w+');"),
      wrong('Object.prototype.toJSON = function () { this.passed = true; return this; };'),
      wrong(
        "const proto = Object.getPrototypeOf([][Symbol.iterator]()); const { next } = proto; proto.next = function () { const found = next.call(this); if (found.value && typeof found.value === 'object' && 'message' in found.value) found.value.message = null; return found; };",
      ),
      wrong(
        "void import('/kit/node-test-reporter.mjs').then(async ({ default: reporter }) => { for await (const _ of reporter([{ type: 'test:pass', data: { name: 'x', nesting: 0 } }])) ; });",
      ),
    ];
    await assertWithoutReward(row, attacks);
  });

  it('is shown to the model up to the body, with the names of its tests', () => {
    const row = taskOf(till, 'formatMoney');
    const prompt = plainPrompt(row);
    assert.match(
      prompt,
      /^\/\/ formatMoney > writes cents\n\/\/ formatMoney > writes negative amounts\n\/\*\* An amount/,
    );
    assert.ok(prompt.endsWith('export function formatMoney({ amount, currency }: Money): string {'));
    const long = plainPrompt({ ...row, prefix: `import a from 'a';\n${'// far away\n'.repeat(500)}function f() {` });
    assert.ok(long.length < 2000 && long.includes("import a from 'a';") && long.endsWith('function f() {'));
  });

  it('can be tuned on and evaluated from the terminal, with a report for every reward', async () => {
    const model = await writeAsciiModel(path.resolve('ascii-model'));
    const source = ['--task', 'workspace', '--workspace', path.join(folder, 'till'), '--model', model];
    const settings = ['prompts_per_step=2', 'group_size=2', 'length=16', 'evaluation_problems=1', 'inner_updates=1'];
    const tuned = await document([
      'tune',
      ...source,
      '--steps',
      '1',
      '--test',
      '1',
      ...settings.flatMap((pair) => ['--set', pair]),
    ]);
    assert.equal(tuned.steps, 1);
    const { settings: kept } = JSON.parse(await readFile(path.join(tuned.dir, 'run.json'), 'utf8'));
    assert.deepEqual(
      [kept.group_size, kept.order],
      [2, 'threshold'],
      'the explicit setting, and the one that the task suggests',
    );
    const text = await readFile(path.join(tuned.dir, 'samples', 'step-000001.jsonl'), 'utf8');
    const written = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(written.length, 4);
    for (const { rewards, report } of written) {
      assert.deepEqual(Object.keys(rewards).sort(), ['format', 'parses', 'tests', 'total']);
      assert.match(report.outcome, /^(scored|failed)$/);
    }
    const measured = await document(['eval', ...source, '--samples', '2', '--set', 'length=16']);
    assert.deepEqual(Object.keys(measured.metrics), ['pass@1', 'pass@2']);
    assert.equal(measured.n, 2);
  });
});

describe('a workspace in TypeScript, with vitest', () => {
  let till: Discovery;
  before(async () => {
    const root = path.join(folder, 'till with vitest');
    await cp(path.join(samples, 'till'), root, { recursive: true });
    for (const name of ['money.test.ts', 'basket.test.ts']) {
      const file = path.join(root, 'test', name);
      await writeFile(file, (await readFile(file, 'utf8')).replaceAll("'node:test'", "'vitest'"));
    }
    await writeFile(path.join(root, 'package.json'), '{"type":"module","scripts":{"test":"vitest run"}}');
    // Tests that use vitest's globals, as is common.
    await writeFile(path.join(root, 'vitest.config.ts'), 'export default { test: { globals: true } };\n');
    await writeFile(
      path.join(root, 'test', 'globals.spec.ts'),
      "import { percentOf } from '../src/money.ts';\ntest.each([10, 50])('%i percent', (share) => {\n  expect(percentOf({ amount: 100, currency: 'EUR' }, share)).toEqual({ amount: share, currency: 'EUR' });\n});\n",
    );
    await symlink(path.join(import.meta.dirname, '../../node_modules'), path.join(root, 'node_modules'));
    till = await discover(root);
  });

  it('finds the covered functions', () => {
    assert.deepEqual([till.runner, till.tests], ['vitest', 13]);
    assert.deepEqual(till.tasks.map((task) => task.function).sort(), [
      'Basket.add',
      'Basket.constructor',
      'Basket.discounted',
      'Basket.size',
      'Basket.total',
      'addMoney',
      'formatMoney',
      'parseMoney',
      'percentOf',
    ]);
    assert.deepEqual(Object.fromEntries(till.leftOut.map(({ name, reason }) => [name, reason])), {
      'splits an amount evenly': 'skipped',
      negate: 'no test calls it',
      'Basket.audit': 'the tests that call it also pass without its body',
    });
    const { guards } = taskOf(till, 'percentOf');
    assert.deepEqual(Object.fromEntries(guards.map(({ testFile, tests }) => [testFile, tests])), {
      'test/money.test.ts': ['takes a share'],
      'test/basket.test.ts': ['a basket > takes a discount off'],
      'test/globals.spec.ts': ['10 percent', '50 percent'],
    });
  });

  it('scores a body, and gives cheating bodies no reward', async () => {
    const row = taskOf(till, 'percentOf');
    const wrong = (code: string) =>
      ` const of = process.getBuiltinModule; ${code}\n return { amount: 0, currency: "EUR" }; `;
    const attacks = [
      ' process.exit(0); ',
      wrong('try { expect.extend({ toEqual: () => ({ pass: true, message: () => "" }) }); } catch {}'),
      wrong(
        "void import('vitest').then(({ expect }) => expect.extend({ toEqual: () => ({ pass: true, message: () => '' }) }));",
      ),
      wrong(
        'try { globalThis.expect = () => new Proxy({}, { get: () => () => {} }); globalThis.test = { each: () => () => {} }; } catch {}',
      ),
      wrong(
        "void import('vitest').then(({ chai }) => { for (const one of [chai.Assertion.prototype, chai.assert, of('node:assert/strict'), of('node:assert')]) for (const name of Object.getOwnPropertyNames(one)) try { one[name] = () => one; } catch {} });",
      ),
      wrong(
        "const worker = globalThis.__vitest_worker__;\nsetInterval(() => { try { const test = worker.current; test.result = { state: 'pass' }; Object.defineProperty(test, 'result', { get: () => ({ state: 'pass' }), set() {} }); } catch {} }, 0);",
      ),
      wrong(
        "const test = globalThis.__vitest_worker__?.current; if (test) Object.defineProperty(test, 'result', { get: () => ({ state: 'pass' }), set() {} });",
      ),
      wrong(
        'const worker = globalThis.__vitest_worker__;\nworker.rpc = new Proxy(worker.rpc ?? {}, { get: () => async () => ({}) });',
      ),
      wrong("void import('vitest').then(({ test }) => test('mine', () => {})).catch(() => {});"),
      wrong(
        "void import('vitest/suite').then(({ setFn }) => { for (const task of globalThis.__vitest_worker__?.current?.file?.tasks ?? []) setFn(task, () => {}); });",
      ),
      wrong(
        "const fs = of('node:fs');\nfor (const name of ['vitest.config.ts', 'test/money.test.ts', 'package.json']) try { fs.writeFileSync(name, ''); } catch {}\nfor (const nonce of ['', 'x', process.env.UNMASK_TOLD]) fs.writeSync(3, nonce + ' {\"kind\":\"finished\"}\\n');",
      ),
      wrong("of('node:fs').writeSync(3, 'x');"),
      wrong('Object.prototype.toJSON = function () { this.passed = true; return this; };'),
      wrong(
        "for (const of of [[], new Map()]) { const proto = Object.getPrototypeOf(of[Symbol.iterator]()); const { next } = proto; proto.next = function () { const found = next.call(this); const [test, seen] = Array.isArray(found.value) ? [found.value[0], found.value[1]] : [null, found.value]; if (seen && typeof seen === 'object' && 'done' in seen) { seen.done = true; if (test?.result) test.result.state = 'pass'; } return found; }; }",
      ),
      wrong("void import('/kit/vitest-runner.mjs').catch(() => {});"),
    ];
    await assertWithoutReward(row, attacks);
    assert.equal(await share(row, ' return { ...money, amount: Math.round(money.amount / 10) }; '), 1 / 2);
  });

  it('requires vitest to be installed', async () => {
    const root = await workspaceOf('without vitest', {
      'package.json': '{"scripts":{"test":"vitest"}}',
      'a.test.ts': "import { test } from 'vitest';\n",
      'node_modules/none/index.js': '',
    });
    await assert.rejects(discover(root), /use vitest, which is not installed there; run npm install/);
  });
});

/** Why the suite of a runner is skipped; false if it can run. */
const pytestMissing = await pythonToolchain().then(
  ({ program }) => spawnSync(program, ['-c', 'import pytest']).status !== 0 && 'pytest is not installed',
  () => 'Python is not installed',
);

describe('a workspace in Python, with pytest', { skip: pytestMissing }, () => {
  let ledger: Discovery;
  before(async () => {
    ledger = await discover(path.join(samples, 'ledger'));
  });

  it('finds the covered functions', () => {
    assert.deepEqual([ledger.runner, ledger.tests], ['pytest', 5]);
    assert.deepEqual(ledger.tasks.map((task) => task.function).sort(), [
      'Book.__init__',
      'Book.accounts',
      'Book.balance',
      'Book.post',
      'parse_line',
    ]);
    const { prefix } = taskOf(ledger, 'Book.balance');
    assert.ok(prefix.endsWith('"""The sum of an account\'s entries."""\n'), 'the docstring is part of the prompt');
  });

  it('scores a body, and gives cheating bodies no reward', async () => {
    const row = taskOf(ledger, 'parse_line');
    const attacks = [
      '    import os; os._exit(0)',
      '    raise SystemExit(0)',
      '    import pytest; pytest.skip("no")',
      '    import pytest\n    pytest.mark.parametrize = lambda *a: (lambda f: (lambda: None))\n    return ("cash", 0)',
      '    for name in ("tests/test_book.py", "conftest.py", "pyproject.toml"):\n        try: open(name, "w").close()\n        except OSError: pass\n    return ("cash", 0)',
      '    import os\n    os.write(3, b"x")\n    return ("cash", 0)',
    ];
    const bodies = [row.body, '    return "cash", int(line[-2:])', ...attacks];
    const verdicts = await judgeBodies(bodies.map((body) => ({ row, body })));
    assert.deepEqual(verdicts.map(passRate), [1, 1 / 2, ...attacks.map(() => 0)]);
  });
});

describe('a workspace without usable tests', () => {
  const assertRejected = async (root: string, message: RegExp) =>
    assert.rejects(discover(root), (error) => error instanceof UserError && message.test(error.message));
  const failing = "import test from 'node:test';\ntest('a', () => { throw new Error('red'); });\n";

  it('is reported if there are no tests, or only unsupported ones', async () => {
    await assertRejected(await workspaceOf('none', { 'a.js': 'export const a = 1;\n' }), /No tests were found/);
    const ava = JSON.stringify({ scripts: { test: 'ava' } });
    await assertRejected(
      await workspaceOf('ava', { 'package.json': ava, 'a.test.js': '' }),
      /use ava, which is not supported; supported runners are node:test, vitest, jest, mocha, pytest, unittest/,
    );
    await assertRejected(await workspaceOf('broken', { 'package.json': '{' }), /package\.json is not valid JSON/);
    await assertRejected(path.join(folder, 'nowhere'), /cannot be read/);
  });

  it('is reported if no test passes', async () => {
    await assertRejected(
      await workspaceOf('red', { 'a.test.js': failing }),
      /No test of .*red passes in the sandbox \(a\.test\.js: .*red/,
    );
  });

  it('is reported if it is too large', async () => {
    const root = await workspaceOf('large', { 'f/0.txt': '' });
    for (let index = 1; index <= 20_000; index++) writeFileSync(path.join(root, 'f', `${index}.txt`), '');
    await assertRejected(root, /has 20001 files, more than the 20000/);
  });

  it('skips only a test file that hangs', { timeout: 120_000 }, async () => {
    const source = 'export function one() { return 1; }\n';
    const passing =
      "import test from 'node:test';\nimport assert from 'node:assert';\nimport { one } from './one.js';\ntest('one', () => assert.equal(one(), 1));\n";
    const root = await workspaceOf('hangs', {
      'package.json': '{"type":"module"}',
      'one.js': source,
      'one.test.js': passing,
      'hangs.test.js': "import test from 'node:test';\ntest('a', () => { for (;;); });\n",
    });
    // The folder is read-only, because nothing may be written into a workspace.
    await chmod(root, 0o555);
    const found = await discover(root);
    await chmod(root, 0o755);
    assert.deepEqual(
      found.tasks.map((task) => task.function),
      ['one'],
    );
    assert.deepEqual(
      found.leftOut.map(({ file }) => file),
      ['hangs.test.js'],
    );
  });

  it('must be named on the command line', async () => {
    assert.match(await refusal(['tune', '--task', 'workspace'], 2), /needs --workspace with a folder/);
    assert.match(
      await refusal(['eval', '--task', 'countdown', '--workspace', folder], 2),
      /--workspace is only for the task workspace, not for countdown/,
    );
    assert.match(
      await refusal(['eval', '--task', 'workspace', '--workspace', folder, '--data', 'x'], 2),
      /--workspace and --data both select problems/,
    );
  });
});
