import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { listCheckpoints } from '../../src/runs/checkpoints.ts';
import { readSamples } from '../../src/runs/reader.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { trajectoryOf } from '../training/run-files.ts';
import { assertRefused, document, enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
});
after(() => leave());

const cpu = ['--engine', 'onnx', '--device', 'cpu'];
const small = [
  'prompts_per_step=2',
  'group_size=3',
  'evaluation_problems=2',
  'checkpoint_every=2',
  'learning_rate=0.001',
];
const tune = [
  ...['tune', '--task', 'sudoku4x4', '--model', 'tiny', '--steps', '4', '--test', '5', '--seed', '3', ...cpu],
  ...small.flatMap((pair) => ['--set', pair]),
];

describe('unmask tune', () => {
  it('prints the documented fields, and its checkpoint repeats the reported numbers', async () => {
    const result = await document(tune);
    assert.deepEqual(Object.keys(result), ['run', 'dir', 'steps', 'seconds', 'before', 'after', 'checkpoint']);
    assert.equal(result.dir, path.join(home, 'runs', result.run));
    assert.equal(result.steps, 4);
    assert.ok(result.seconds > 0);
    assert.equal(result.checkpoint, path.join(result.dir, 'checkpoints', 'step-000004'));
    assert.deepEqual(Object.keys(result.before), ['cell_accuracy', 'solved']);
    assert.deepEqual((await readdir(result.dir)).sort(), [
      'checkpoints',
      'events.jsonl',
      'log.txt',
      'result.json',
      'run.json',
      'samples',
      'status.json',
    ]);
    for (const [model, metrics] of [
      [result.checkpoint, result.after],
      [result.dir, result.after],
      ['tiny', result.before],
    ]) {
      const evaluated = await document(['eval', '--task', 'sudoku4x4', '--model', model, '--limit', '5', ...cpu]);
      assert.deepEqual(evaluated.metrics, metrics, model);
    }
    const { runs } = await document(['runs', 'list']);
    const [{ run, dir, state, step, steps }] = runs;
    assert.deepEqual([run, dir, state, step, steps], [result.run, result.dir, 'finished', 4, 4]);
    assert.deepEqual(
      await document(['tune', '--resume', result.run, ...cpu]),
      result,
      'a finished run prints its result again',
    );
  });

  it('records its settings, with those of --set taking precedence over a file, and its other options', async () => {
    await writeFile('settings.json', '{"beta":1.5,"omega":0.25}');
    const extra = [
      '--config',
      'settings.json',
      '--set',
      'omega=0.75',
      '--objective',
      'spg-eubo',
      '--runs',
      'elsewhere',
    ];
    const { dir } = await document([...tune, ...extra, '--steps', '1', '--test', '0']);
    assert.equal(path.dirname(dir), path.join(home, 'elsewhere'));
    const { settings, ...run } = JSON.parse(await readFile(path.join(dir, 'run.json'), 'utf8'));
    assert.deepEqual([settings.beta, settings.omega, settings.group_size], [1.5, 0.75, 3]);
    assert.deepEqual([run.kind, run.task, run.objective, run.seed, run.steps], ['tune', 'sudoku4x4', 'spg-eubo', 3, 1]);
    assert.deepEqual(run.device, { engine: 'onnx', device: 'cpu' });
    assert.deepEqual(Object.keys(run.versions).sort(), ['node', 'unmask']);
  });

  it('without test problems is not evaluated before and after', async () => {
    const { before: first, after: last } = await document([...tune, '--steps', '1', '--test', '0']);
    assert.deepEqual([first, last], [null, null]);
  });

  it('saves and ends with code 130 when it is interrupted, and can be resumed', async () => {
    const whole = await document(tune);
    const abort = new AbortController();
    const stopped = await unmask([...tune, '--json'], {
      signal: abort.signal,
      onProgress: (stderr) => {
        if (/^step 1 /m.test(stderr)) abort.abort();
      },
    });
    const message = assertRefused(stopped, 130, tune);
    const dir = /`unmask tune --resume (.*)`/.exec(message)![1]!;
    assert.equal(
      (await document(['runs', 'list'])).runs.find((run: { dir: string }) => run.dir === dir).state,
      'interrupted',
    );
    const result = await document(['tune', '--resume', dir]);
    assert.deepEqual(await trajectoryOf(result.dir), await trajectoryOf(whole.dir));
  });

  it('ends at a time limit if no number of steps is set', async () => {
    const { steps, seconds } = await document([
      ...tune.filter((word) => word !== '--steps' && word !== '4'),
      ...['--time-limit', '0.3'],
    ]);
    assert.ok(steps >= 1 && seconds >= 0.3, `${steps} in ${seconds}`);
  });

  it('reads problems from a file and holds some of them out', async () => {
    const rows = ['3014002020004130', '0000100420013142', '2001403002001420'].map((puzzle) =>
      JSON.stringify({ puzzle }),
    );
    await writeFile('puzzles.jsonl', `${rows.join('\n')}\n`);
    const args = [...tune, '--data', 'puzzles.jsonl', '--set', 'reward=rules'];
    const { dir } = await document(args);
    const prompts = new Set<string>();
    for (const step of [1, 2, 3, 4]) for (const { prompt } of await readSamples(dir, step)) prompts.add(prompt);
    assert.ok(!prompts.has('3014002020004130:'), 'the first is held out');
    assert.ok(
      prompts.size > 0 && [...prompts].every((prompt) => rows.some((row) => row.includes(prompt.slice(0, -1)))),
    );
    assert.match(await refusal([...tune, '--data', 'puzzles.jsonl'], 1), /reference needs a solution/);
    await writeFile('puzzles.jsonl', `${rows[0]}\n{"puzzle":"12"\n`);
    assert.match(await refusal(args, 1), /puzzles\.jsonl, line 2: is not valid JSON/);
  });
});

describe('unmask runs', () => {
  it('refuses to delete a run in use, and controls it', async () => {
    const { run, dir } = await document([...tune, '--test', '0']);
    const step = (await listCheckpoints(dir)).at(-1)!.step;
    const holder = await RunWriter.resume(dir, step);
    try {
      const inUse = new RegExp(
        `^Run directory .*${run} is in use by process ${process.pid} since .*; stop that run first\\.$`,
      );
      assert.match(await refusal(['tune', '--resume', run], 1), inUse);
      assert.match(await refusal(['runs', 'delete', run], 1), inUse);
      for (const [action, request] of [
        ['pause', 'pause'],
        ['resume', 'run'],
        ['stop', 'stop'],
      ] as const) {
        await document(['runs', action, run]);
        assert.equal(await holder.request(), request);
      }
    } finally {
      await holder.close('interrupted');
    }
    assert.match(await refusal(['runs', 'pause', run], 1), /^No process runs .*, so there is nothing to pause/);
    const resume = await refusal(['runs', 'resume', run], 1);
    assert.match(resume, /is not paused, because no process works on it; resume it with `unmask tune --resume .*`\.$/);
    const { runs } = await document(['runs', 'delete', run]);
    assert.ok(!runs.some((left: { dir: string }) => left.dir === dir));
    assert.match(await refusal(['runs', 'delete', run], 1), /^There is no run/);
  });

  it('refuses to delete other folders, or to resume a run of another kind', async () => {
    assert.match(await refusal(['runs', 'delete', path.join(home, 'models')], 1), /^There is no run/);
    const { dir } = await document([...tune, '--steps', '1', '--test', '0']);
    assert.match(
      await refusal(['pretrain', '--resume', dir], 2),
      /is a run of kind tune; resume it with `unmask tune --resume/,
    );
    await writeFile(path.join(dir, 'run.json'), '{}');
    assert.match(await refusal(['tune', '--resume', dir], 1), /run\.json is broken/);
  });
});

describe('unmask pretrain', () => {
  it('creates a model that can be evaluated and tuned by its name', async () => {
    const settings = ['batch_size=2', 'evaluation_problems=2', 'evaluate_every=0'].flatMap((pair) => ['--set', pair]);
    const args = ['pretrain', '--recipe', 'puzzles', '--model', 'fresh', '--steps', '2', ...settings, ...cpu];
    const result = await document(args);
    assert.deepEqual(Object.keys(result).sort(), ['metrics', 'model', 'run', 'seconds', 'steps']);
    assert.equal(result.model, path.join(home, 'models', 'fresh'));
    assert.equal(result.steps, 2);
    assert.ok('cell_accuracy' in result.metrics && 'countdown/solved' in result.metrics);
    const evaluated = await document(['eval', '--task', 'countdown', '--model', 'fresh', '--limit', '2', ...cpu]);
    assert.equal(evaluated.n, 2);
    assert.match(await refusal(args, 2), /fresh is not empty; choose another folder/);
  });
});
