import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Random } from '../../src/platform/random.ts';
import { writeAsciiModel } from '../sandbox/ascii-model.ts';
import { kill, sandboxesOf } from '../sandbox/sandbox-processes.ts';
import { trajectoryOf } from '../training/run-files.ts';

const bundle = fileURLToPath(new URL('../../dist/unmask.mjs', import.meta.url));

/** Problems whose candidates run in sandboxes, one after the other. */
const rows = [1, 2, 3, 4].map((factor) => ({
  prompt: `export function times${factor}(value: number): number {\n`,
  tests: `test('one', () => assert.equal(times${factor}(1), ${factor}));`,
  language: 'typescript',
}));

const settings = {
  ...{ prompts_per_step: 2, group_size: 4, length: 16, inner_updates: 1, micro_batch: 8 },
  ...{ evaluate_every: 0, evaluation_problems: 1, checkpoint_every: 1 },
};

/**
 * Tunes a tiny model on tests while sandboxes are killed from outside, as by a machine without memory. The run must end on the
 * parameters, samples and events of a run in which nothing was killed. Returns how many were killed. Linux only.
 */
export async function surviveSandboxCrashes(crashes: number, seed: number): Promise<number> {
  const root = await mkdtemp(path.join(tmpdir(), 'unmask-crashes-'));
  const random = new Random(seed, 'sandbox crashes');
  let killed = 0;
  try {
    const model = await writeAsciiModel(path.join(root, 'model'));
    const data = path.join(root, 'rows.jsonl');
    await writeFile(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const place = async (name: string) => {
      const folders = { home: path.join(root, name, 'home'), runs: path.join(root, name, 'runs') };
      for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true });
      return { ...folders, model, data };
    };
    const expected = await tune(await place('whole'), async () => undefined);
    for (let runs = 0; killed < crashes && runs < 2 * crashes; runs++) {
      const here = await tune(await place(`run-${runs}`), async (pid, ended) => {
        while (!ended.aborted && killed < crashes) {
          await delay(50 + random.integer(400), undefined, { signal: ended });
          const sandboxes = await sandboxesOf(pid);
          if (sandboxes.length === 0) continue;
          killed += Number(kill(random.pick(sandboxes)));
          // A sandbox that is started again must have a chance.
          await delay(3_000, undefined, { signal: ended });
        }
      });
      assert.deepEqual(here, expected, `sandboxes killed with seed ${seed}, run ${runs}`);
    }
    return killed;
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

interface Place {
  readonly home: string;
  readonly runs: string;
  readonly model: string;
  readonly data: string;
}

/** Tunes in a new process of the built command line while `disturb` acts on it, and returns the trajectory. */
async function tune(
  { home, runs, model, data }: Place,
  disturb: (pid: number, ended: AbortSignal) => Promise<void>,
): Promise<unknown> {
  const child = spawn(
    process.execPath,
    [
      ...[bundle, 'tune', '--engine', 'onnx', '--device', 'cpu', '--task', 'code', '--data', data, '--model', model],
      ...['--runs', runs, '--steps', '3', '--seed', '3'],
      ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, UNMASK_HOME: home } },
  );
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const closed = once(child, 'close') as Promise<[number | null]>;
  const ended = new AbortController();
  const disturbed = disturb(child.pid!, ended.signal).catch((error: unknown) => {
    if (!ended.signal.aborted) throw error;
  });
  const [code] = await closed;
  ended.abort();
  await disturbed;
  assert.equal(code, 0, stderr);
  const [name] = await readdir(runs);
  return withoutTimes(await trajectoryOf(path.join(runs, name!)));
}

/** How long things took differs from run to run. */
const withoutTimes = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (name, part) => (/^seconds/.test(name) ? undefined : part)));
