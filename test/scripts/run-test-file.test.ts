import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { describe as describeOutcome, isGreen, summaryLine } from '../../scripts/testing/outcome.ts';
import { runTestFile } from '../../scripts/testing/run-test-file.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

before(async () => {
  folder = await mkdtemp(path.join(root, 'node_modules', '.test-files-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function run(source: string, limit?: number) {
  const file = path.join(folder, 'some.test.ts');
  await writeFile(
    file,
    `import { describe, it, test } from 'node:test';\nimport assert from 'node:assert';\n${source}`,
  );
  return runTestFile(root, path.relative(root, file), folder, limit === undefined ? {} : { limit });
}

describe('running a test file', () => {
  it('counts tests, not the groups around them', async () => {
    const outcome = await run(`
      describe('group', () => { it('a', () => {}); it('b', () => {}); });
      test('c', async (t) => { await t.test('d', () => {}); });
      it.skip('e'); it('f', { skip: 'no adapter here' }, () => {}); it.todo('g');
    `);
    assert.deepEqual([outcome.passed, outcome.failed], [4, 0]);
    assert.deepEqual(outcome.skipped, ['e', 'f (no adapter here)', 'g']);
    assert.equal(summaryLine([outcome]), '4 passed, 0 failed, 3 skipped');
    assert.ok(isGreen([outcome]));
    assert.match(describeOutcome(outcome), /^ok {3}.*some\.test\.ts {2}7 tests, [\d.]+ s\n/);
  });

  it('counts a failed test once and shows its output', async () => {
    const outcome = await run(`
      describe('group', () => { it('good', () => {}); it('bad', () => assert.equal(1, 2, 'one is not two')); });
      test('outer', async (t) => { await t.test('inner', () => assert.fail('inner fails')); });
    `);
    assert.deepEqual([outcome.passed, outcome.failed], [1, 2]);
    assert.ok(!isGreen([outcome]));
    assert.match(describeOutcome(outcome), /one is not two/);
    assert.match(describeOutcome(outcome), /inner fails/);
  });

  for (const [what, source, says] of [
    ['contains no test', '', /The file reported no test/],
    ['crashes before its tests', "throw new Error('broken import');", /broken import/],
    ['cannot be parsed', 'const = 1;', /some\.test\.ts/],
    ['exits in the middle', "it('a', () => {}); it('b', () => process.exit(0));", /The file reported no test/],
    ['kills itself', "it('a', () => process.kill(process.pid, 'SIGKILL'));", /ended by SIGKILL/],
    [
      'fails a hook only',
      "import { after } from 'node:test'; it('a', () => {}); after(() => assert.fail('late'));",
      /late/,
    ],
    [
      'throws after its tests',
      "it('a', () => {}); process.on('exit', () => { process.exitCode = 3; });",
      /exit code 3/,
    ],
  ] as const) {
    it(`fails a file that ${what}`, async () => {
      const outcome = await run(source);
      assert.ok(outcome.failed > 0);
      assert.match(describeOutcome(outcome), says);
    });
  }

  it('ends a file that hangs', async () => {
    const outcome = await run("it('a', () => {}); setInterval(() => {}, 1000);", 2);
    assert.ok(outcome.failed > 0);
    assert.match(outcome.details, /still running after 2 s/);
  });

  it('ends processes that a file left running', async () => {
    const heartbeat = path.join(folder, 'heartbeat');
    const beat = `setInterval(() => require('fs').appendFileSync(${JSON.stringify(heartbeat)}, '.'), 20)`;
    const outcome = await run(`
      import { spawn } from 'node:child_process';
      import { existsSync } from 'node:fs';
      it('a', async () => {
        spawn(process.execPath, ['-e', ${JSON.stringify(beat)}], { stdio: 'ignore' }).unref();
        while (!existsSync(${JSON.stringify(heartbeat)})) await new Promise((resolve) => setTimeout(resolve, 20));
      });
    `);
    assert.deepEqual([outcome.passed, outcome.failed], [1, 0]);
    const beats = (await readFile(heartbeat)).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal((await readFile(heartbeat)).length, beats);
  });

  it('prints no line of a file that could be taken for the summary', async () => {
    const outcome = await run("console.log('9 passed, 0 failed'); it('a', () => assert.fail());");
    assert.match(describeOutcome(outcome), /9 passed/);
    assert.doesNotMatch(describeOutcome(outcome), /^\d+ passed/m);
  });

  it("does not expose the user's data home", async () => {
    const outcome = await run(`it('a', () => assert.equal(process.env.UNMASK_HOME, ${JSON.stringify(folder)}));`);
    assert.equal(outcome.passed, 1);
  });
});

describe('the result of a run', () => {
  it('is a failure if no test ran', () => {
    assert.equal(isGreen([]), false);
    assert.equal(summaryLine([]), '0 passed, 0 failed');
  });
});
