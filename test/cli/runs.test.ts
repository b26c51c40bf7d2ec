import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readTfevents, readWithTensorboard, tensorboardPackage } from '../logging/read-tfevents.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
let dir: string;
let run: string;

/** Tunes a tiny model for two steps, and stops the first process after the first of them. */
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
  const settings = ['prompts_per_step=1', 'group_size=2', 'evaluation_problems=1', 'inner_updates=1'];
  const pairs = [...settings, 'checkpoint_every=1', 'log_to=tensorboard'].flatMap((pair) => ['--set', pair]);
  const args = ['tune', '--task', 'sudoku4x4', '--model', 'tiny', '--steps', '2', '--test', '1', ...pairs];
  const stop = new AbortController();
  const stopped = await unmask([...args, '--engine', 'onnx', '--device', 'cpu'], {
    signal: stop.signal,
    onProgress: (stderr) => /^step 1 /m.test(stderr) && stop.abort(),
  });
  assert.equal(stopped.code, 130, stopped.stderr);
  const [entry] = await readdir(path.join(home, 'runs'));
  run = entry as string;
  dir = path.join(home, 'runs', run);
  assert.equal((await readdir(path.join(dir, 'tensorboard'))).length, 1);
  await document(['tune', '--resume', dir]);
});
after(() => leave());

const lines = async (file: string) =>
  (await readFile(path.join(dir, file), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

async function onlyFile(folder: string): Promise<Buffer> {
  const names = await readdir(folder);
  assert.equal(names.length, 1, names.join());
  assert.match(names[0]!, /^events\.out\.tfevents\.\d{10,}\.unmask$/);
  return readFile(path.join(folder, names[0]!));
}

/** Every number of the run, as TRL names it. */
async function expectedScalars() {
  const events = await lines('events.jsonl');
  return events.flatMap(({ step, time: _, evaluation, ...metrics }): [string, number, number][] => {
    if (evaluation === undefined)
      return Object.entries<number>(metrics).map(([name, value]) => [`train/${name}`, step, Math.fround(value)]);
    const group = evaluation.split === 'validation' ? 'eval' : evaluation.split;
    return Object.entries<{ value: number; low: number; high: number }>(evaluation.metrics).map(([name, { value }]) => [
      `${group}/${name}`,
      step,
      Math.fround(value),
    ]);
  });
}

describe('a run that logs to TensorBoard', () => {
  it('has every step once in one file, also after it was stopped and resumed', async () => {
    const { version, restarts, summaries } = readTfevents(await onlyFile(path.join(dir, 'tensorboard')));
    assert.deepEqual([version, restarts], ['brain.Event:2', 1]);
    const rewards = summaries.filter(({ tag }) => tag === 'train/reward');
    assert.deepEqual(
      rewards.map(({ step }) => step),
      [1, 2],
    );
    for (const [tag, step, value] of await expectedScalars())
      assert.equal(
        summaries.filter((one) => one.tag === tag && one.step === step && one.scalar === value).length,
        1,
        tag,
      );
  });
});

describe('unmask runs export', () => {
  it('writes an event file with the scalars, completions and distributions of the run', async () => {
    const { files } = await document(['runs', 'export', run, '--to', 'tensorboard', '--out', 'logs']);
    const folder = path.join(home, 'logs', run);
    assert.equal(path.dirname(files[0]), folder);
    const { summaries } = readTfevents(await onlyFile(folder));
    for (const [tag, step, value] of await expectedScalars())
      assert.ok(
        summaries.some((one) => one.tag === tag && one.step === step && one.scalar === value),
        tag,
      );
    for (const tag of [
      'train/reward',
      'train/reward_std',
      'train/completions/mean_length',
      'train/num_tokens',
      'eval/cell_accuracy',
      'test/solved',
    ])
      assert.ok(
        summaries.some((one) => one.tag === tag),
        tag,
      );
    const samples = await lines('samples/step-000002.jsonl');
    const text = summaries.find(({ tag, step }) => tag === 'train/completions' && step === 2)!.text!;
    for (const { prompt, completion } of samples) assert.ok(text.includes(prompt) && text.includes(completion));
    const rewards = summaries.find(({ tag, step }) => tag === 'train/rewards/total' && step === 2)!.histogram!;
    const total = samples.reduce((sum, sample) => sum + sample.rewards.total, 0);
    assert.equal(rewards.num, samples.length);
    assert.ok(Math.abs(rewards.sum - total) < 1e-9);
    assert.match(summaries.find(({ tag }) => tag === 'args')!.text!, /"objective": "spg-mixture"/);
    await document(['runs', 'export', run, '--to', 'tensorboard', '--out', 'logs']);
    await onlyFile(folder);
  });

  it("writes what TensorBoard's own reader reads", async (test) => {
    const installed = await tensorboardPackage();
    if ('missing' in installed) return test.skip(installed.missing);
    for (const folder of [path.join(home, 'logs', run), path.join(dir, 'tensorboard')]) {
      const found = await readWithTensorboard(installed.folder, folder);
      for (const [tag, step, value] of await expectedScalars())
        assert.ok(
          found.scalars[tag]?.some(([at, number]) => at === step && number === value),
          `${tag} in ${folder}`,
        );
      assert.deepEqual(
        found.histograms['train/advantages']!.map(([step, count]) => [step, count]),
        [
          [1, 2],
          [2, 2],
        ],
      );
      assert.deepEqual(
        found.texts['train/completions']!.map(([step]) => step),
        [1, 2],
      );
      assert.deepEqual([found.plugins['train/completions'], found.plugins.args], ['text', 'text']);
    }
  });

  it('writes tables of steps, evaluations and completions', async () => {
    const { files } = await document(['runs', 'export', dir, '--to', 'csv', '--out', 'tables']);
    const names = files.map((file: string) => path.basename(file));
    assert.deepEqual(names, ['steps.csv', 'evaluations.csv', 'samples.csv']);
    const [steps, evaluations, samples] = await Promise.all(files.map((file: string) => readFile(file, 'utf8')));
    const [head, first, second] = steps.split('\r\n');
    const column = (line: string, name: string) => line.split(',')[head.split(',').indexOf(name)];
    const events = (await lines('events.jsonl')).filter((event) => event.evaluation === undefined);
    for (const [line, event] of [
      [first, events[0]],
      [second, events[1]],
    ] as const)
      for (const name of Object.keys(event)) assert.equal(column(line, name), String(event[name]), name);
    assert.match(
      evaluations,
      /^step,time,task,split,n,metric,value,low,high\r\n0,[\d.]+,sudoku4x4,test,1,cell_accuracy,/,
    );
    assert.equal(samples.match(/^step,prompt,completion/g)?.length, 1);
    assert.equal(samples.trimEnd().split('\r\n').length >= 1 + 4, true);
  });

  it('rejects what cannot be exported', async () => {
    const to = ['runs', 'export', run, '--to'];
    assert.match(await refusal([...to, 'wandb-offline', '--out', 'x'], 2), /'wandb-offline' is invalid/);
    assert.match(await refusal([...to, 'csv'], 2), /needs --to tensorboard or csv, and --out/);
    assert.match(await refusal(['runs', 'list', '--to', 'csv'], 2), /^--to belongs to unmask runs export/);
    assert.match(await refusal(['runs', 'export', 'nosuch', '--to', 'csv', '--out', 'x'], 1), /There is no run nosuch/);
    await writeFile('file', '');
    assert.match(await refusal([...to, 'csv', '--out', 'file'], 1), /Cannot write .*file/);
  });
});

describe('labels of a run', () => {
  const listed = async () => (await document(['runs', 'list'])).runs[0];

  it('are a name, tags and a note, which lists show and the folder does not', async () => {
    assert.equal((await listed()).name, run);
    await document(['runs', 'rename', run, 'warm', 'start']);
    await document(['runs', 'tag', run, 'sudoku', 'good', 'sudoku']);
    await document(['runs', 'note', run, 'beta 1.5\nbeats wd1']);
    const { name, tags, notes, run: folder } = await listed();
    assert.deepEqual([name, tags, notes, folder], ['warm start', ['sudoku', 'good'], 'beta 1.5\nbeats wd1', run]);
    const { stdout } = await unmask(['runs', 'list']);
    assert.match(stdout, /finished .* warm start {2}#sudoku {2}#good$/m);
    const kept = JSON.parse(await readFile(path.join(dir, 'labels.json'), 'utf8'));
    assert.deepEqual(kept, { schema: 1, name, tags, notes });
  });

  it('are removed one by one', async () => {
    await document(['runs', 'tag', run, 'good', '--remove']);
    await document(['runs', 'note', run, '']);
    await document(['runs', 'rename', run, '']);
    const { name, tags, notes } = await listed();
    assert.deepEqual([name, tags, notes], [run, ['sudoku'], undefined]);
  });

  it('keep fields that a later version added', async () => {
    await writeFile(path.join(dir, 'labels.json'), '{"schema":1,"tags":[],"colour":"red"}');
    await document(['runs', 'tag', run, 'kept']);
    const kept = JSON.parse(await readFile(path.join(dir, 'labels.json'), 'utf8'));
    assert.deepEqual(kept, { schema: 1, tags: ['kept'], colour: 'red' });
  });

  it('are refused if they are not valid, and a damaged file is reported by lists', async () => {
    assert.match(await refusal(['runs', 'tag', run, 'two words'], 2), /tags of a run: must have no spaces/);
    assert.match(await refusal(['runs', 'rename', run, 'a\nb'], 2), /name of a run: must be one line/);
    assert.match(await refusal(['runs', 'rename', run, 'x'.repeat(201)], 2), /^name of a run: /);
    assert.match(await refusal(['runs', 'rename', run], 2), /needs a text after the run; "" removes the name/);
    assert.match(await refusal(['runs', 'pause', run, 'now'], 2), /takes one run; leave out now/);
    assert.match(await refusal(['runs', 'list', '--remove'], 2), /^--remove belongs to unmask runs tag/);
    await writeFile(path.join(dir, 'labels.json'), '{"schema":1,"tags":"x"}');
    assert.match((await listed()).error, /labels\.json is broken \(field "tags"/);
    assert.match(await refusal(['runs', 'tag', run, 'x'], 1), /labels\.json is broken/);
  });
});
