import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandLine } from '../../src/cli/command-line.ts';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Creates a folder that is this process's data home and working directory until `leave`. */
export async function enterHome(): Promise<{ readonly home: string; leave(): Promise<void> }> {
  const home = await realpath(await mkdtemp(path.join(tmpdir(), 'unmask-cli-')));
  const [cwd, before] = [process.cwd(), process.env.UNMASK_HOME];
  process.chdir(home);
  process.env.UNMASK_HOME = home;
  return {
    home,
    async leave() {
      process.chdir(cwd);
      if (before === undefined) delete process.env.UNMASK_HOME;
      else process.env.UNMASK_HOME = before;
      await rm(home, { recursive: true });
    },
  };
}

/** Runs a command line in this process. */
export async function unmask(
  args: readonly string[],
  {
    signal = new AbortController().signal,
    onProgress,
  }: { signal?: AbortSignal; onProgress?: (stderr: string) => void } = {},
): Promise<Ended> {
  let [stdout, stderr] = ['', ''];
  const code = await commandLine(args, {
    signal,
    out: async (text) => {
      stdout += text;
    },
    err: (text) => {
      stderr += text;
      onProgress?.(stderr);
    },
  });
  return { code, stdout, stderr };
}

/** The JSON document of a command that succeeds; stdout contains nothing else. */
export async function document(args: readonly string[]) {
  const { code, stdout, stderr } = await unmask([...args, '--json']);
  assert.equal(code, 0, `unmask ${args.join(' ')}\n${stderr}`);
  assert.match(stdout, /^\{.*\}\n$/, 'one line of JSON and nothing else');
  return JSON.parse(stdout);
}

/** The result of a command that fails with this code: one message on stderr, and the same message as JSON on stdout. */
export async function refusal(args: readonly string[], code: 1 | 2): Promise<string> {
  return assertRefused(await unmask([...args, '--json']), code, args);
}

/** Asserts that a command with `--json` failed as all commands do; returns its error message. */
export function assertRefused(ended: Ended, code: 1 | 2 | 130, args: readonly string[]): string {
  const command = `unmask ${args.join(' ')}\n${ended.stderr}${ended.stdout}`;
  assert.equal(ended.code, code, command);
  const { error, ...rest } = JSON.parse(ended.stdout);
  assert.deepEqual([Object.keys(error), rest], [['message'], {}], command);
  assert.ok(ended.stderr.endsWith(`unmask: ${error.message}\n`), command);
  assert.doesNotMatch(error.message, /\n|^\s*at |Error:|undefined|\[object/, command);
  assert.match(error.message, /\S.*[.)]$/, command);
  return error.message;
}

/** The built command line. */
export const bundle = fileURLToPath(new URL('../../dist/unmask.mjs', import.meta.url));

/** Runs the built command line in a separate process; `onProgress` may signal it. */
export async function spawnUnmask(
  args: readonly string[],
  onProgress?: (stderr: string, kill: (signal: NodeJS.Signals) => void) => void,
): Promise<Ended> {
  const child = spawn(process.execPath, [bundle, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onProgress?.(stderr, (signal) => child.kill(signal));
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout, stderr };
}
