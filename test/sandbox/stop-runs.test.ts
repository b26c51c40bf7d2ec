import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startEvaluation } from '../../src/evaluation/evaluation-run.ts';
import { evaluationSettings } from '../../src/evaluation/settings.ts';
import { requestControl } from '../../src/runs/control.ts';
import { readStatus } from '../../src/runs/reader.ts';
import type { JobHooks } from '../../src/runs/run-job.ts';
import type { RunWriter } from '../../src/runs/writer.ts';
import { openSandbox } from '../../src/sandbox/open-sandbox.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { startTuning } from '../../src/tuning/tuning-run.ts';
import { startDiscovery } from '../../src/workspace/discovery-run.ts';
import { enterHome } from '../cli/unmask.ts';
import { oneThread } from '../model/tiny-model.ts';
import { writeAsciiModel } from './ascii-model.ts';
import { type CleanMachine, cleanMachine } from './clean-machine.ts';

let leave: () => Promise<void>;
let home: string;
let machine: CleanMachine;
let model: string;
let data: string;
before(async () => {
  ({ leave, home } = await enterHome());
  machine = await cleanMachine();
  // Everything that such a model writes is part of a comment, so that the tests run.
  model = await writeAsciiModel(path.join(home, 'model'), { lines: false });
  data = path.join(home, 'problems.jsonl');
  const row = (number: number) => ({
    language: 'javascript',
    prompt: `export function n${number}() { return ${number}; } // `,
    tests: `test("slow ${number}", () => new Promise((done) => setTimeout(done, 60_000)));`,
  });
  await writeFile(data, Array.from({ length: 12 }, (_, number) => `${JSON.stringify(row(number))}\n`).join(''));
});
after(async () => {
  await machine.assertClean();
  await machine.leave();
  await leave();
});

/** Process ids of the running sandboxes that this process started. */
async function sandboxes(): Promise<string[]> {
  const threads = await readdir('/proc/self/task');
  const lists = await Promise.all(
    threads.map((thread) => readFile(`/proc/self/task/${thread}/children`, 'utf8').catch(() => '')),
  );
  const pids = lists.flatMap((list) => list.split(' ').filter(Boolean));
  const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return pids.filter((_, index) => /bwrap|prlimit/.test(commands[index] as string));
}

/** Seconds that it takes to start and end a sandbox, with the current load of the machine. */
async function secondsOfSandbox(): Promise<number> {
  const sandbox = await openSandbox();
  const begin = performance.now();
  await sandbox.run({ command: ['/bin/true'] });
  return (performance.now() - begin) / 1000;
}

/**
 * Starts a job, and stops it once its tests run and `when` accepts its activity. Checks that it ends within two seconds,
 * that no sandbox starts after the stop request, and that none is left.
 */
async function stopWhileTestsRun(
  start: (hooks: JobHooks) => Promise<unknown>,
  how: 'signal' | 'control',
  when: (activity: string) => boolean = () => true,
): Promise<string> {
  const abort = new AbortController();
  let run: RunWriter | undefined;
  const hooks: JobHooks = {
    signal: abort.signal,
    onStart: (started) => {
      run = started;
    },
  };
  let hasEnded = false;
  const ended = start(hooks).then(
    () => {
      hasEnded = true;
      return new Error('the job finished');
    },
    (error: Error) => {
      hasEnded = true;
      return error;
    },
  );
  while (!run || !when(run.status.activity?.text ?? '') || (await sandboxes()).length === 0) {
    assert.ok(!hasEnded, `the job ended before its tests ran: ${hasEnded && (await ended).message}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const requestedAt = performance.now();
  if (how === 'signal') abort.abort();
  else await requestControl(run.dir, 'stop');
  let allowed: readonly string[] | null = null;
  while (!hasEnded) {
    const running = await sandboxes();
    if (run.status.state === 'stopping') {
      allowed ??= running;
      assert.ok(
        running.every((pid) => allowed?.includes(pid)),
        'no sandbox starts after the stop',
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const seconds = (performance.now() - requestedAt) / 1000;
  const error = await ended;
  assert.equal(error.name, 'Interrupted', error.stack);
  assert.deepEqual(await sandboxes(), []);
  // On a loaded machine, the work after the request takes longer in the same proportion as starting and ending sandboxes.
  const allowance = 20 * (await secondsOfSandbox());
  assert.ok(
    seconds < 2 + allowance,
    `the job ended after ${seconds} s; ${allowance} s are allowed for the machine's load`,
  );
  assert.equal((await readStatus(run.dir)).state, 'interrupted');
  return run.dir;
}

describe('tests that run for a minute', () => {
  it('end when a tuning run is stopped while it waits for rewards', async () => {
    const request = {
      ...{ task: 'code', objective: 'spg-mixture', model, data, seed: 0, steps: 2, timeLimit: null, testProblems: 0 },
      settings: tuningSettings.parse({
        ...{ prompts_per_step: 2, group_size: 2, length: 16, block: 16, evaluation_problems: 1 },
      }),
    };
    const dir = await stopWhileTestsRun(
      (hooks) => startTuning(oneThread(), path.join(home, 'runs'), request, hooks),
      'control',
      (activity) => /^step 1: rollouts 4 of 4, rewards \d of 4$/.test(activity),
    );
    assert.match(
      await readFile(path.join(dir, 'log.txt'), 'utf8'),
      /Request received: stop\.[\s\S]*Stopped after step 0\.\n$/,
    );
  });

  it('end when a tuning run is stopped during an evaluation', async () => {
    const request = {
      ...{ task: 'code', objective: 'spg-mixture', model, data, seed: 0, steps: 2, timeLimit: null, testProblems: 1 },
      settings: tuningSettings.parse({ prompts_per_step: 1, group_size: 2, length: 16, evaluation_problems: 1 }),
    };
    await stopWhileTestsRun(
      (hooks) => startTuning(oneThread(), path.join(home, 'runs'), request, hooks),
      'signal',
      (activity) => /^(test|validation): answers 1 of 1$/.test(activity),
    );
  });

  it('end when an evaluation is stopped', async () => {
    const request = {
      ...{ task: 'code', model, data, limit: 3, skipBroken: false, heldOut: false, samples: 1, seed: 0 },
      asReleased: false,
      settings: evaluationSettings.parse({ length: 16 }),
    };
    await stopWhileTestsRun(
      (hooks) => startEvaluation(oneThread(), path.join(home, 'evaluations'), request, hooks),
      'control',
    );
  });

  it('end when function discovery is stopped', async () => {
    const workspace = path.join(home, 'workspace');
    await mkdir(workspace, { recursive: true });
    await writeFile(path.join(workspace, 'two.mjs'), 'export function two() {\n  return 2;\n}\n');
    await writeFile(
      path.join(workspace, 'two.test.mjs'),
      "import { test } from 'node:test';\nimport { two } from './two.mjs';\ntest('slow', async () => {\n  two();\n  await new Promise((done) => setTimeout(done, 60_000));\n});\n",
    );
    await writeFile(path.join(workspace, 'package.json'), '{"scripts":{"test":"node --test"},"type":"module"}\n');
    await stopWhileTestsRun((hooks) => startDiscovery(path.join(home, 'runs'), workspace, hooks), 'control');
    await rm(workspace, { recursive: true });
  });
});
