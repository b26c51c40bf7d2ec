import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { listCheckpoints } from '../../src/runs/checkpoints.ts';
import { readStatus } from '../../src/runs/reader.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { assertRefused, bundle, document, enterHome, spawnUnmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
});
after(() => leave());

const cpu = ['--engine', 'onnx', '--device', 'cpu'];
/** A run that continues until it is stopped. */
const endless = [
  ...['tune', '--task', 'sudoku4x4', '--model', 'tiny', '--steps', '100000', '--test', '0', ...cpu, '--json'],
  ...['prompts_per_step=2', 'group_size=3', 'evaluate_every=0', 'evaluation_problems=1', 'checkpoint_every=0'].flatMap(
    (pair) => ['--set', pair],
  ),
];

describe('the built command line', () => {
  it('can be run by its name, also after it is built again', {
    skip: process.platform === 'win32' && 'by mode',
  }, async () => {
    assert.equal((await stat(bundle)).mode & 0o111, 0o111);
  });

  it('prints one JSON document on stdout and progress on stderr, and ends with code 0', async () => {
    const { code, stdout, stderr } = await spawnUnmask([
      'eval',
      '--task',
      'sudoku4x4',
      '--model',
      'tiny',
      '--limit',
      '2',
      '--json',
      ...cpu,
    ]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^\{.*\}\n$/);
    assert.equal(JSON.parse(stdout).n, 2);
    assert.match(stderr, /2 of 2 answers/);
  });

  it('does the same on the other engine, whose library prints a greeting', async () => {
    const { code, stdout, stderr } = await spawnUnmask([
      'logits',
      '--model',
      'tiny',
      '--tokens',
      '4',
      '--engine',
      'tensorflow',
      '--device',
      'cpu',
      '--json',
    ]);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).logits[0].length, 23);
  });

  it('ends with code 2 for bad usage and 1 for a failure, with an error message', async () => {
    for (const [args, code] of [
      [['tune', '--task', 'nosuch', '--json'], 2],
      [['logits', '--model', 'nosuch', '--tokens', '1', '--json'], 1],
    ] as const)
      assertRefused(await spawnUnmask(args), code, args);
  });

  it('saves and ends with code 130 on SIGINT, as it does after `runs stop`', async () => {
    let dir = '';
    let requested = false;
    const ended = await spawnUnmask(endless, (stderr, kill) => {
      dir = /^run (.*)$/m.exec(stderr)?.[1] ?? '';
      if (/^step 2 /m.test(stderr) && !requested) {
        requested = true;
        kill('SIGINT');
      }
    });
    const message = assertRefused(ended, 130, endless);
    assert.match(ended.stderr, /Stopping and saving what can be resumed\. Press Ctrl\+C again to stop at once/);
    const { state, step } = await readStatus(dir);
    assert.equal(state, 'interrupted');
    assert.ok(step >= 2);
    assert.deepEqual(
      (await listCheckpoints(dir)).map((checkpoint) => checkpoint.step),
      [step],
    );
    assert.match(message, new RegExp(`^Stopped after step ${step}\\. To continue, run \`unmask tune --resume `));

    const resumed = spawnUnmask(['tune', '--resume', dir, '--json']);
    const reach = async (wanted: string) => {
      while ((await readStatus(dir)).state !== wanted) await delay(20);
    };
    await reach('running');
    await document(['runs', 'pause', path.basename(dir)]);
    await reach('paused');
    await document(['runs', 'resume', path.basename(dir)]);
    await reach('running');
    await document(['runs', 'stop', path.basename(dir)]);
    assertRefused(await resumed, 130, ['tune', '--resume', dir]);
    assert.equal((await readStatus(dir)).state, 'interrupted');
  });

  it('handles a reader that closes the pipe', async () => {
    const child = spawn(process.execPath, [bundle, 'tasks'], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const [code] = await once(child, 'close');
    assert.deepEqual([code, stderr], [0, '']);
  });

  it('continues if its progress output is no longer read', async () => {
    const args = ['eval', '--task', 'sudoku4x4', '--model', 'tiny', '--limit', '2', '--json', ...cpu];
    const child = spawn(process.execPath, [bundle, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    child.stderr.destroy();
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).n, 2);
  });
});
