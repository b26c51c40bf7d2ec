import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { constants, getPriority, tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { launchJob } from '../../src/extension/launch-job.ts';
import { Interrupted, UserError } from '../../src/platform/errors.ts';
import { dataHome } from '../../src/platform/files.ts';

const node = { file: process.execPath, version: process.versions.node, environment: { UNMASK_TEST: 'yes' } };

describe('launching a job', { timeout: 30_000 }, () => {
  let folder: string;
  const started: number[] = [];
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-launch-'));
  });
  after(async () => {
    for (const pid of started)
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // The process has already ended.
      }
    await rm(folder, { recursive: true, force: true });
  });

  async function launch(source: string, options: Parameters<typeof launchJob>[3] = {}) {
    const script = path.join(folder, 'unmask.mjs');
    await writeFile(script, source);
    return launchJob(node, script, ['tune', '--task', 'x'], options);
  }
  /** A job that prints its run directory and continues. */
  const lasting = `import { writeFileSync } from 'node:fs';
    writeFileSync('job.json', JSON.stringify({ pid: process.pid, args: process.argv.slice(2), env: process.env.UNMASK_TEST }));
    console.error('preparing'); console.error('run /runs/the one');
    setInterval(() => {}, 1000);`;
  async function job() {
    const reported = JSON.parse(await readFile(path.join(folder, 'job.json'), 'utf8'));
    started.push(reported.pid);
    return reported as { pid: number; args: string[]; env: string };
  }
  const says = (kind: typeof UserError, message: RegExp) => (error: Error) => {
    assert.ok(error instanceof kind, error.stack);
    assert.match(error.message, message);
    return true;
  };

  it('returns its run directory while it continues with low priority', async () => {
    assert.equal(await launch(lasting), '/runs/the one');
    const { pid, args, env } = await job();
    assert.deepEqual([args, env], [['tune', '--task', 'x', '--json'], 'yes']);
    if (process.platform !== 'win32') assert.equal(getPriority(pid), constants.priority.PRIORITY_LOW);
  });

  it('keeps its priority on request', async () => {
    await launch(lasting, { lowPriority: false });
    assert.equal(getPriority((await job()).pid), getPriority(process.pid));
  });

  it('continues when its output is no longer read, because it writes to files', async () => {
    await launch(`${lasting} setInterval(() => console.error('step'), 10);`);
    const { pid } = await job();
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.doesNotThrow(() => process.kill(pid, 0));
  });

  it('is found even if it ends at once', async () => {
    assert.equal(await launch("console.error('run /runs/brief');"), '/runs/brief');
  });

  it("fails with the program's own message if there is no run directory", async () => {
    const source = `console.log(JSON.stringify({ error: { message: 'Unknown task x; choose another.' } })); process.exitCode = 2;`;
    await assert.rejects(launch(source), says(UserError, /^Unknown task x; choose another\.$/));
  });

  it('reports where to find the output of a program that ends without a message', async () => {
    await assert.rejects(launch("console.error('driver gone'); process.exitCode = 7;"), (error: Error) =>
      says(UserError, /^unmask tune exited with 7 before its run started\. See the log .+\.log\.$/)(error),
    );
  });

  it('reports that the Node cannot be started', async () => {
    const missing = { ...node, file: path.join(folder, 'no-node') };
    await assert.rejects(
      launchJob(missing, path.join(folder, 'unmask.mjs'), ['tune']),
      says(UserError, /no-node could not be started/),
    );
  });

  it('is interrupted if it is cancelled before it has started, and not afterwards', async () => {
    const source = `import { writeFileSync } from 'node:fs';
      process.on('SIGINT', () => { writeFileSync('interrupted', ''); process.exit(130); });
      setInterval(() => {}, 1000);`;
    await assert.rejects(launch(source, { signal: AbortSignal.timeout(1000) }), says(Interrupted, /cancelled before/));
    for (let attempt = 0; attempt < 100 && !(await readdir(folder)).includes('interrupted'); attempt++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok((await readdir(folder)).includes('interrupted'));
    const cancelled = new AbortController();
    await launch(lasting, { signal: cancelled.signal });
    cancelled.abort();
    const { pid } = await job();
    assert.doesNotThrow(() => process.kill(pid, 0));
  });

  it('deletes old output files', async () => {
    const words = path.join(dataHome(), 'cache', 'jobs');
    await mkdir(words, { recursive: true });
    const old = path.join(words, 'old.log');
    await writeFile(old, '');
    const before = Date.now() / 1000 - 8 * 24 * 3600;
    await utimes(old, before, before);
    await launch("console.error('run /runs/brief');");
    assert.ok(!(await readdir(words)).includes('old.log'));
  });
});
