import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { keepModel } from '../../src/catalogue/keep-model.ts';
import { problemFields } from '../../src/evaluation/answer-records.ts';
import { Random } from '../../src/platform/random.ts';
import type { RowSplit } from '../../src/protocol/row-split.ts';
import type { RunConfiguration } from '../../src/protocol/run.ts';
import { readAnswers, readSamples } from '../../src/runs/reader.ts';
import { problemDigest } from '../../src/tasks/split-rows.ts';
import { type SudokuRow, sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';
import { split as grids } from '../../src/tasks/sudoku4x4-grids.ts';
import { makePuzzle } from '../../src/tasks/sudoku4x4-puzzles.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { trajectoryOf } from '../training/run-files.ts';
import { document, enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
});
after(() => leave());

const cpu = ['--engine', 'onnx', '--device', 'cpu'];
const settings = ['prompts_per_step=2', 'group_size=3', 'evaluation_problems=50', 'checkpoint_every=2'];
const tuneOn = (file: string, steps = 2) => [
  ...['tune', '--task', 'sudoku4x4', '--model', 'tiny', '--data', file, '--steps', String(steps), ...cpu],
  ...settings.flatMap((pair) => ['--set', pair]),
];
const evalOn = (file: string, ...more: string[]) => ['eval', '--task', 'sudoku4x4', '--data', file, ...more, ...cpu];

/** Puzzles with different solutions. */
function puzzles(count: number, from = 0): SudokuRow[] {
  const random = new Random(from, 'puzzles of a file');
  return grids.training.slice(from, from + count).map((solution) => ({
    puzzle: makePuzzle(random, solution, 6),
    solution,
  }));
}

async function write(file: string, rows: readonly SudokuRow[]): Promise<string> {
  await writeFile(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return file;
}

const configurationOf = async (dir: string): Promise<RunConfiguration> =>
  JSON.parse(await readFile(path.join(dir, 'run.json'), 'utf8'));

/** The puzzles of a part. */
const inPart = (rows: readonly SudokuRow[], split: RowSplit, part: 'training' | 'validation' | 'test') =>
  rows.filter((row) => split.rows[part].includes(problemDigest(sudoku4x4, row))).map(({ puzzle }) => puzzle);

const answered = async (dir: string) =>
  (await readAnswers(dir)).map((answer) => problemFields(answer).puzzle as string);

async function trainedOn(dir: string, steps: number): Promise<Set<string>> {
  const prompts = new Set<string>();
  for (let step = 1; step <= steps; step++)
    for (const { prompt } of await readSamples(dir, step)) prompts.add(prompt.replace(':', ''));
  return prompts;
}

describe('a run on the rows of a file', () => {
  const rows = puzzles(60);
  let dir: string;
  let split: RowSplit;
  let counts: Record<string, number>;
  before(async () => {
    const run = await unmask([...tuneOn(await write('sixty.jsonl', rows), 3), '--json']);
    assert.equal(run.code, 0, run.stderr);
    ({ dir } = JSON.parse(run.stdout));
    split = (await configurationOf(dir)).split!;
    counts = split.counts;
    assert.match(
      run.stderr,
      new RegExp(
        `^60 problems: ${counts.training} for training, ${counts.validation} for validation, ${counts.test} for testing\\.$`,
        'm',
      ),
    );
  });

  it('is split into three parts by content, which run.json records', async () => {
    assert.equal(split.data, path.join(home, 'sixty.jsonl'));
    assert.equal(split.workspace, null);
    assert.equal(counts.training! + counts.validation! + counts.test!, 60);
    assert.ok(counts.validation! > 0 && counts.test! > 0);
    const training = new Set(inPart(rows, split, 'training'));
    for (const puzzle of await trainedOn(dir, 3)) assert.ok(training.has(puzzle), `${puzzle} is held out`);
    const events = (await readFile(path.join(dir, 'events.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .flatMap((line) => JSON.parse(line).evaluation ?? []);
    for (const { split: part, n } of events) assert.equal(n, counts[part], part);
    assert.deepEqual(new Set(events.map((event) => event.split)), new Set(['validation', 'test']));
  });

  it('determines the test part for evaluations of its model, also if that model is copied', async () => {
    const test = inPart(rows, split, 'test');
    await keepModel(dir, path.join(home, 'models'), 'kept');
    for (const model of [dir, path.join(dir, 'checkpoints', 'step-000003'), 'kept']) {
      const { code, stderr, stdout } = await unmask([...evalOn('sixty.jsonl', '--model', model), '--json']);
      assert.equal(code, 0, stderr);
      assert.match(
        stderr,
        new RegExp(`test part of .*sixty\\.jsonl, ${test.length} of 60 problems, as the tuning run split them`),
      );
      assert.deepEqual(await answered(JSON.parse(stdout).dir), test);
    }
    const whole = await document(evalOn('sixty.jsonl', '--model', 'kept', '--split', 'all'));
    assert.equal(whole.n, 60);
    const base = await document(evalOn('sixty.jsonl', '--model', 'tiny', '--split-of', dir));
    assert.deepEqual(await answered(base.dir), test);
  });

  it('does not affect other files, which are evaluated completely', async () => {
    await write('others.jsonl', puzzles(10, 100));
    const { stderr, stdout } = await unmask([...evalOn('others.jsonl', '--model', dir), '--json']);
    assert.match(stderr, /Evaluating all problems of .*others\.jsonl: the model was tuned on other data/);
    assert.equal(JSON.parse(stdout).n, 10);
    assert.equal((await document(evalOn('sixty.jsonl', '--model', 'tiny'))).n, 60, 'a model that was not tuned');
    const fresh = await document(evalOn('sixty.jsonl', '--model', 'tiny', '--split', 'test'));
    assert.deepEqual(
      await answered(fresh.dir),
      inPart(rows, split, 'test'),
      'the rows that a run on the file would hold out',
    );
  });

  it('keeps its split when it is resumed and when its file changes', async () => {
    const whole = await document(tuneOn('sixty.jsonl', 4));
    const abort = new AbortController();
    const stopped = await unmask([...tuneOn('sixty.jsonl', 4), '--json'], {
      signal: abort.signal,
      onProgress: (stderr) => {
        if (/^step 2 /m.test(stderr)) abort.abort();
      },
    });
    const resumed = /`unmask tune --resume (.*)`/.exec(stopped.stderr)![1]!;
    await write('sixty.jsonl', [...rows, ...puzzles(40, 150)]);
    try {
      await document(['tune', '--resume', resumed]);
      assert.deepEqual(await trajectoryOf(resumed), await trajectoryOf(whole.dir));
      const evaluated = await document(evalOn('sixty.jsonl', '--model', resumed));
      assert.deepEqual(await answered(evaluated.dir), inPart(rows, split, 'test'));
      await write('sixty.jsonl', puzzles(40, 150));
      assert.match(
        await refusal(evalOn('sixty.jsonl', '--model', resumed), 1),
        /has none of the run's test problems any more; restore it, or evaluate all of its problems with --split all/,
      );
    } finally {
      await write('sixty.jsonl', rows);
    }
  });

  it('is rejected if its options contradict each other', async () => {
    const conflicts: [string[], 1 | 2, RegExp][] = [
      [evalOn('sixty.jsonl', '--model', 'tiny', '--split-of', 'tiny'), 1, /tiny has no recorded split/],
      [evalOn('sixty.jsonl', '--held-out', '--split', 'all'), 2, /each select a part of the file/],
      [['eval', '--task', 'sudoku4x4', '--split', 'test'], 2, /--split selects a part of a file/],
      [['eval', '--task', 'sudoku4x4', '--split-of', dir], 2, /--split-of selects a part of a file/],
    ];
    for (const [args, code, message] of conflicts) assert.match(await refusal(args, code), message);
  });
});

it('a run of a version that recorded no split resumes with every eighth row held out', async () => {
  const rows = puzzles(17);
  const { dir } = await document(tuneOn(await write('old.jsonl', rows), 2));
  const { split, ...older } = await configurationOf(dir);
  assert.ok(split);
  await writeFile(path.join(dir, 'run.json'), JSON.stringify({ ...older, steps: 4 }));
  // The run starts again, as if it had been killed before its first checkpoint.
  for (const name of await readdir(path.join(dir, 'checkpoints')))
    await rm(path.join(dir, 'checkpoints', name), { recursive: true });
  await document(['tune', '--resume', dir]);
  const heldOut = rows.filter((_, index) => index % 8 === 0).map(({ puzzle }) => puzzle);
  const trained = await trainedOn(dir, 4);
  assert.ok(trained.size > 0);
  for (const puzzle of heldOut) assert.ok(!trained.has(puzzle), puzzle);
  assert.equal((await configurationOf(dir)).split, undefined);
  const evaluated = await document(evalOn('old.jsonl', '--model', dir, '--held-out'));
  assert.deepEqual(await answered(evaluated.dir), heldOut);
});

it('a run on too few rows for three parts trains, reports this, and has no test result', async () => {
  await write('five.jsonl', puzzles(5));
  const five = await unmask([...tuneOn('five.jsonl'), '--json']);
  assert.match(
    five.stderr,
    /^5 problems: 4 for training, 1 for validation\. Fewer than 6 different problems are too few for a test part, so no test result is reported\.$/m,
  );
  const { before: first, after: last, dir } = JSON.parse(five.stdout);
  assert.deepEqual([first, last], [null, null]);
  assert.match(await refusal(evalOn('five.jsonl', '--model', dir), 1), /too few problems for a test part/);
  const two = await unmask([...tuneOn(await write('two.jsonl', puzzles(2))), '--json']);
  assert.match(two.stderr, /^2 problems, used for training only/m);
  const { dir: alone, checkpoint } = JSON.parse(two.stdout);
  assert.match(checkpoint, /step-000002$/);
  const log = await readFile(path.join(alone, 'events.jsonl'), 'utf8');
  assert.ok(!log.includes('"evaluation"'), 'nothing is held out, so nothing is evaluated');
});
