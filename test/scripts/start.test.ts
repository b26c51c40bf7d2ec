import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

// A project with the real scripts, and with a fake npm and build that record their calls.
let project: string;

beforeEach(async () => {
  project = await mkdtemp(path.join(tmpdir(), 'unmask-start-'));
  await cp(path.join(root, 'scripts'), path.join(project, 'scripts'), { recursive: true });
  await mkdir(path.join(project, 'src'));
  await writeFile(path.join(project, 'src', 'main.ts'), 'one');
  await writeFile(path.join(project, 'package-lock.json'), '{}');
  await writeFile(
    path.join(project, 'npm.js'),
    `const fs = require('node:fs');
     fs.appendFileSync('calls.txt', 'npm ' + process.argv.slice(2) + '\\n');
     fs.rmSync('node_modules', { recursive: true, force: true });
     if (fs.existsSync('no-network')) process.exit(7);
     fs.mkdirSync('node_modules');`,
  );
  await writeFile(
    path.join(project, 'esbuild.mjs'),
    `import fs from 'node:fs';
     fs.appendFileSync('calls.txt', 'build\\n');
     fs.mkdirSync('dist', { recursive: true });
     fs.copyFileSync('program.mjs', 'dist/unmask.mjs');`,
  );
  await program('console.log(JSON.stringify(process.argv.slice(2)));');
});

afterEach(() => rm(project, { recursive: true, force: true }));

const program = (source: string) => writeFile(path.join(project, 'program.mjs'), source);

function start(...args: string[]): ChildProcess {
  return spawn(process.execPath, ['scripts/start.mjs', ...args], {
    cwd: project,
    env: { ...process.env, npm_execpath: path.join(project, 'npm.js') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function finish(child: ChildProcess) {
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk) => {
    output += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    errors += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, output, errors };
}

/** The calls of npm and the build since the last check. */
async function calls(): Promise<string[]> {
  const file = path.join(project, 'calls.txt');
  const text = await readFile(file, 'utf8').catch(() => '');
  await rm(file, { force: true });
  return text.split('\n').filter(Boolean);
}

describe('npm start', { timeout: 60_000 }, () => {
  it('installs and builds once, and again only for changed inputs', async () => {
    assert.equal((await finish(start())).code, 0);
    assert.deepEqual(await calls(), ['npm ci', 'build']);

    assert.equal((await finish(start())).code, 0);
    assert.deepEqual(await calls(), []);

    await writeFile(path.join(project, 'src', 'main.ts'), 'two');
    await finish(start());
    assert.deepEqual(await calls(), ['build']);

    await writeFile(path.join(project, 'package-lock.json'), '{"lockfileVersion":3}');
    await finish(start());
    assert.deepEqual(await calls(), ['npm ci', 'build']);

    await rm(path.join(project, 'node_modules'), { recursive: true });
    await finish(start());
    assert.deepEqual(await calls(), ['npm ci']);
  });

  it('reports that the install failed, and tries again the next time', async () => {
    await writeFile(path.join(project, 'no-network'), '');
    const failed = await finish(start());
    assert.equal(failed.code, 1);
    assert.match(failed.errors, /npm\.js ci failed \(exit code 7\)/);
    assert.equal(failed.output, '');

    await rm(path.join(project, 'no-network'));
    await calls();
    assert.equal((await finish(start())).code, 0);
    assert.deepEqual(await calls(), ['npm ci', 'build']);
  });

  it('passes on arguments and the exit code, and reserves stdout for the program', async () => {
    await program('console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 42;');
    const { code, output } = await finish(start('--steps', '3', 'a b'));
    assert.equal(code, 42);
    assert.deepEqual(JSON.parse(output), ['start', '--steps', '3', 'a b']);
  });

  it('sends the program one SIGINT for several at once, and another one for a later one', async () => {
    await program(`
      let count = 0;
      process.on('SIGINT', () => console.log('interrupt ' + ++count));
      process.on('SIGTERM', () => process.exit(130));
      console.log('ready');
      setInterval(() => {}, 1000);
    `);
    const child = start();
    let output = '';
    const seen = async (text: string) => {
      while (!output.includes(text)) await once(child.stdout!, 'data');
    };
    child.stdout!.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr!.resume();
    const ended = once(child, 'close');
    await seen('ready');
    // As a terminal and npm do on Ctrl+C.
    child.kill('SIGINT');
    await seen('interrupt 1');
    child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 700));
    child.kill('SIGINT');
    await seen('interrupt 2');
    child.kill('SIGTERM');
    assert.deepEqual(await ended, [130, null]);
    assert.equal(output, 'ready\ninterrupt 1\ninterrupt 2\n');
  });

  it('ends as the program ends, also by a signal', async () => {
    await program("process.kill(process.pid, 'SIGTERM'); setInterval(() => {}, 1000);");
    const { code, signal } = await finish(start());
    assert.deepEqual([code, signal], [null, 'SIGTERM']);
  });

  it('interrupts the program when it is killed itself', async () => {
    await program(`
      import fs from 'node:fs';
      process.once('SIGINT', () => { fs.writeFileSync('saved', ''); process.exit(130); });
      console.log('ready');
      setInterval(() => {}, 1000);
    `);
    const child = start();
    child.stderr!.resume();
    await once(child.stdout!, 'data');
    child.kill('SIGKILL');
    // The program holds the pipes, so they close when it has ended.
    await once(child, 'close');
    assert.equal(await readFile(path.join(project, 'saved'), 'utf8'), '');
  });
});
