import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { runUnmask } from '../../src/extension/run-unmask.ts';
import { Interrupted, UserError } from '../../src/platform/errors.ts';

const node = { file: process.execPath, version: process.versions.node, environment: { UNMASK_TEST: 'yes' } };

describe('running the program', { timeout: 30_000 }, () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-run-'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function run(source: string, signal = new AbortController().signal, log = (_: string): void => {}) {
    const script = path.join(folder, 'unmask.mjs');
    await writeFile(script, source);
    return runUnmask<unknown>(node, script, ['devices'], { signal, log });
  }
  const says = (kind: typeof UserError, message: RegExp) => (error: Error) => {
    assert.ok(error instanceof kind, error.stack);
    assert.match(error.message, message);
    return true;
  };

  it('returns the document, and forwards progress', async () => {
    const lines: string[] = [];
    const document = await run(
      `console.error('one'); console.error('two');
       console.log(JSON.stringify({ args: process.argv.slice(2), env: process.env.UNMASK_TEST, cwd: process.cwd() }));`,
      undefined,
      (line) => lines.push(line),
    );
    assert.deepEqual(document, { args: ['devices', '--json'], env: 'yes', cwd: folder });
    assert.deepEqual(lines, ['one', 'two']);
  });

  it("fails with the program's own message", async () => {
    const source = `console.log(JSON.stringify({ error: { message: 'No engine; install one.' } })); process.exitCode = 1;`;
    await assert.rejects(run(source), says(UserError, /^No engine; install one\.$/));
  });

  it('reports a crash or unexpected output', async () => {
    await assert.rejects(run('process.abort();'), says(UserError, /^unmask devices exited with SIGABRT in .*"Unmask"/));
    await assert.rejects(run("console.log('hello');"), says(UserError, /exited with 0/));
    await assert.rejects(run("console.log('{}'); process.exitCode = 3;"), says(UserError, /exited with 3/));
  });

  it('reports that the Node cannot be started', async () => {
    const missing = { ...node, file: path.join(folder, 'no-node') };
    await assert.rejects(
      runUnmask(missing, path.join(folder, 'unmask.mjs'), ['devices'], {
        signal: new AbortController().signal,
        log: () => {},
      }),
      says(UserError, /no-node could not be started/),
    );
  });

  it('lets a cancelled program save and exit', async () => {
    const cancelled = new AbortController();
    const running = run(
      `import fs from 'node:fs';
       process.on('SIGINT', () => { fs.writeFileSync('saved', ''); process.exit(130); });
       console.error('ready');
       setInterval(() => {}, 1000);`,
      cancelled.signal,
      () => cancelled.abort(),
    );
    await assert.rejects(running, says(Interrupted, /^unmask devices was cancelled\.$/));
    assert.equal(await readFile(path.join(folder, 'saved'), 'utf8'), '');
  });

  it('kills a cancelled program that does not respond, with its child processes', { timeout: 10_000 }, async () => {
    const cancelled = new AbortController();
    // The grandchild holds the pipes open, so this ends only if the grandchild was killed as well.
    const running = run(
      `import { spawn } from 'node:child_process';
       process.on('SIGINT', () => {});
       spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' });
       console.error('ready');
       setInterval(() => {}, 1000);`,
      cancelled.signal,
      () => cancelled.abort(),
    );
    await assert.rejects(running, says(Interrupted, /cancelled/));
  });

  it('starts nothing if it was cancelled before', async () => {
    await assert.rejects(run('', AbortSignal.abort()), says(Interrupted, /cancelled/));
  });
});
