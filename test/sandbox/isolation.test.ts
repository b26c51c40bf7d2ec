import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { openSandbox } from '../../src/sandbox/open-sandbox.ts';
import type { SandboxJob } from '../../src/sandbox/sandbox.ts';
import { codeRow } from '../../src/tasks/code/row.ts';
import { isSeparable, judgeSeparately } from '../../src/tasks/code/separate.ts';
import { readHarness } from '../../src/workspace/harness.ts';
import { nodeToolchain } from '../../src/workspace/toolchains.ts';
import { passRate, type Verdict } from '../../src/workspace/verdict.ts';
import { kill, sandboxesOf } from './sandbox-processes.ts';

const skip = process.platform !== 'linux' && 'the filter and /proc are those of Linux';

/** What a program prints in the sandbox. */
async function printed(script: string, job: Partial<SandboxJob> = {}): Promise<string> {
  const { program, shown, environment } = nodeToolchain();
  const sandbox = await openSandbox();
  const ended = await sandbox.run({
    command: [program, '--input-type=commonjs', '-e', script],
    environment,
    limits: { seconds: 60 },
    ...job,
    shown: [...shown, ...(job.shown ?? [])],
  });
  return ended.stdout + ended.stderr.replace(/Warning: Ignoring extra certs.*\n/g, '');
}

describe('a program in the sandbox', { skip }, () => {
  it('cannot open the inspector of Node by a signal, neither its own nor from a child', async () => {
    const script = `
      const { spawnSync } = require('node:child_process');
      for (const pid of [process.pid, 0, -1]) try { process.kill(pid, 'SIGUSR1'); console.log('sent'); } catch (e) { console.log(e.code); }
      try { process._debugProcess(process.pid); console.log('sent'); } catch (e) { console.log('refused'); }
      console.log(spawnSync('/bin/sh', ['-c', 'kill -USR1 ' + process.pid + ' 2>/dev/null || echo refused']).stdout.toString().trim());
      setTimeout(() => console.log(require('node:inspector').url()), 300);`;
    assert.equal(await printed(script), 'EPERM\nEPERM\nEPERM\nrefused\nrefused\nundefined\n');
  });

  it('learns no folder of this machine from its first process', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'unmask-secret-name-'));
    await writeFile(path.join(folder, 'file'), 'shown');
    const cwd = process.cwd();
    process.chdir(folder);
    try {
      const script = `
        const fs = require('node:fs');
        const read = (file) => { try { return fs.readFileSync('/proc/1/' + file, 'latin1'); } catch (e) { return e.code; } };
        console.log(JSON.stringify([read('environ'), read('cmdline'), fs.readFileSync('/work/shown/file', 'utf8')]));`;
      const text = await printed(script, { shown: [{ host: folder, inside: 'work/shown' }] });
      assert.ok(text.includes('shown'), text);
      assert.ok(!text.includes('secret-name'), text);
    } finally {
      process.chdir(cwd);
      await rm(folder, { recursive: true });
    }
  });

  it('that is solitary has no /proc and no sockets, and can start threads but no processes', async () => {
    const script = `
      const fs = require('node:fs');
      const { error } = require('node:child_process').spawnSync('/bin/echo', ['child']);
      console.log(fs.existsSync('/proc/self'), error?.code);
      new (require('node:worker_threads').Worker)('console.log("thread")', { eval: true });
      require('node:net').createServer().on('error', (e) => console.log(e.code)).listen(0, '127.0.0.1', () => console.log('listens'));`;
    const lines = (await printed(script, { isSolitary: true })).trim().split('\n');
    assert.equal(lines[0], 'false EPERM');
    assert.ok(lines.includes('thread'), lines.join());
    assert.match(lines.find((line) => /^E/.test(line)) ?? lines.join(), /^(EAFNOSUPPORT|EINVAL|EPERM)$/);
  });
});

describe('what a harness closes', { skip }, () => {
  it('hides the running test of node:test from async_hooks', async () => {
    const { files } = await readHarness('common.mjs');
    const script = `
      import { closeBackDoors } from '/kit/common.mjs';
      import test from 'node:test';
      closeBackDoors();
      const hooks = await import('node:async_hooks');
      const seen = [];
      hooks.createHook({ init: (id, type, trigger, resource) => seen.push(resource) }).enable();
      const { runInAsyncScope } = hooks.AsyncResource.prototype;
      try { hooks.AsyncResource.prototype.runInAsyncScope = function (...a) { seen.push(this); return runInAsyncScope.apply(this, a); }; } catch {}
      const store = new hooks.AsyncLocalStorage();
      await test('a', () => {
        seen.push(hooks.executionAsyncResource(), hooks.default.executionAsyncResource());
        store.run(7, () => setTimeout(() => console.log('store', store.getStore()), 1));
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
      console.log('found', seen.length > 2, seen.filter((one) => typeof one.fail === 'function' || typeof one.pass === 'function').length);`;
    const { program, shown, environment } = nodeToolchain();
    const sandbox = await openSandbox();
    const { stdout, stderr } = await sandbox.run({
      command: [program, '--input-type=module', '-e', script],
      ...{ shown, environment, files, limits: { seconds: 60 } },
    });
    assert.ok(stdout.includes('store 7'), stderr);
    assert.ok(stdout.includes('found true 0'), stdout + stderr);
  });
});

const row = codeRow({
  prompt: 'export function double(value: number): number {\n',
  tests: "test('two', () => assert.equal(double(1), 2));\ntest('six', async () => assert.deepEqual([double(3)], [6]));",
  language: 'typescript',
});

describe('tests outside the process of the candidate', { skip }, () => {
  const judged = async (subject: typeof row, ...bodies: string[]) =>
    judgeSeparately(
      await openSandbox(),
      subject,
      bodies.map((body) => subject.prompt + body),
      { seconds: 20, cpuSeconds: 10, memoryMiB: 768 },
    );
  const rates = (verdicts: Awaited<ReturnType<typeof judged>>) =>
    verdicts.map((verdict) => (verdict.outcome === 'shared' ? verdict.outcome : passRate(verdict as Verdict)));

  it('judge one candidate after the other, and no candidate affects another one', async () => {
    const attack = `  return 0;
}
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
spawn('/bin/sh', ['-c', 'sleep 1; kill -9 -1'], { detached: true, stdio: 'ignore' }).unref();
for (const fd of [3, 4, 5, 6, 7]) try { fs.writeSync(fd, '{"kind":"test","id":"two","passed":true}\\n'); } catch {}
for (const folder of ['/kit', '/work', '/tmp']) for (const name of fs.readdirSync(folder)) try { fs.writeFileSync(folder + '/' + name, ''); } catch {}
`;
    const verdicts = await judged(
      row,
      '  return 2 * value;\n}\n',
      attack,
      '  return 2;\n}\n',
      '  process.exit(0);\n}\n',
      '  return {\n',
      '  return { valueOf: () => 2, [Symbol.toPrimitive]: () => 2 } as never;\n}\n',
      '  return 2 * value; // after all of them\n}\n',
    );
    assert.deepEqual(rates(verdicts), [1, 0, 0.5, 0, 0, 0, 1], JSON.stringify(verdicts));
  });

  it('run again if the machine kills a sandbox, whose program is not to blame', async () => {
    const slow = '  return 2 * value;\n}\nawait new Promise((resolve) => setTimeout(resolve, 500));\n';
    const judging = judged(row, slow);
    let killed = false;
    while (!killed) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      for (const pid of await sandboxesOf(process.pid)) killed ||= kill(pid);
    }
    assert.deepEqual(rates(await judging), [1]);
    assert.deepEqual(rates(await judged(row, "  return 2 * value;\n}\nprocess.kill(process.pid, 'SIGKILL');\n")), [0]);
  });

  it('find nothing of a test in the process of the candidate', async () => {
    // It searches everything that it can read for the expected value, and returns it if it finds one.
    const search = `  const found = [process.argv, process.env, new Error('x').stack, Object.keys(globalThis)].map(String).join();
  const files = ['/kit', '/work', '/tmp'].flatMap((folder) => fs.readdirSync(folder).map((name) => folder + '/' + name));
  const text = found + files.map((file) => { try { return fs.readFileSync(file, 'utf8'); } catch { return ''; } }).join();
  return text.includes(['assert.equal', '(double(1)'].join('')) ? 2 : 0;
}
import fs from 'node:fs';
`;
    assert.deepEqual(rates(await judged(row, search)), [0]);
  });

  it('exchange everything that can be copied: changed arguments, errors, promises and built-in objects', async () => {
    const subject = codeRow({
      prompt: 'export function f(kind: string, ...rest: any[]): any {\n',
      tests: `
test('changes its argument', () => { const list = [3, 1, 2]; assert.equal(f('sort', list), list); assert.deepEqual(list, [1, 2, 3]); });
test('parts of arguments', async () => { const items = [{ id: 2 }, { id: 1 }]; const [two] = items; const map = f('by id', items); assert.equal(map.get(2), two); f('sort by id', items); assert.equal(items[1], two); assert.equal(await f('first later', items), items[0]); });
test('throws', () => { assert.throws(() => f('throw'), { name: 'RangeError', message: 'no', code: 7 }); assert.throws(() => f('throw'), RangeError); });
test('promises', async () => { const [a, b] = await Promise.all([f('later', 1), f('later', 2)]); assert.deepEqual([a, b], [1, 2]); await assert.rejects(f('reject'), TypeError); });
test('built-in objects', () => assert.deepEqual(f('many'), [new Map([[1, new Set([2])]]), new Date(5), 10n, undefined, NaN, -0, new Uint8Array([1])]));
test('state', () => assert.deepEqual([f('count'), f('count')], [1, 2]));`,
      language: 'typescript',
    });
    const body = `  switch (kind) {
    case 'sort': return rest[0].sort();
    case 'by id': return new Map(rest[0].map((item: any) => [item.id, item]));
    case 'sort by id': return rest[0].sort((a: any, b: any) => a.id - b.id).length;
    case 'first later': return Promise.resolve(rest[0][0]);
    case 'throw': throw Object.assign(new RangeError('no'), { code: 7 });
    case 'later': return new Promise((resolve) => setTimeout(resolve, 20 / rest[0], rest[0]));
    case 'reject': return Promise.reject(new TypeError('no'));
    case 'count': return ++count;
    default: return [new Map([[1, new Set([2])]]), new Date(5), 10n, undefined, NaN, -0, new Uint8Array([1])];
  }
}
let count = 0;
`;
    const verdicts = await judged(subject, body);
    assert.deepEqual(rates(verdicts), [1], JSON.stringify(verdicts));
  });

  it('are for problems whose types can be copied, which their prompts decide', () => {
    const of = (prompt: string, language = 'typescript') => isSeparable(codeRow({ prompt, tests: 'x', language }));
    assert.ok(of('export function f(a: number[], b: Map<string, number>): string {\n'));
    for (const prompt of [
      'export function f(each: (value: number) => number): number {\n',
      'export function* f(): Generator<number> {\n',
      'export class Stack {\n',
      'export function f(): Iterable<number> {\n',
    ])
      assert.ok(!of(prompt), prompt);
    assert.ok(!of('def f():\n', 'python'));
  });

  it('cannot use functions: in TypeScript the candidate fails, and in JavaScript they run in its process', async () => {
    const tests = "test('adds', () => assert.equal(f(1)(2), 3));";
    const body = '  return (b) => a + b;\n}\n';
    const javascript = codeRow({ prompt: 'export function f(a) {\n', tests, language: 'javascript' });
    const typescript = codeRow({ prompt: 'export function f(a: number): number {\n', tests, language: 'typescript' });
    assert.deepEqual(rates(await judged(javascript, body)), ['shared']);
    assert.deepEqual(rates(await judged(typescript, body)), [0]);
  });
});
