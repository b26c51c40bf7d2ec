import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sudoku4x4 } from '../../src/tasks/sudoku4x4.ts';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
});
after(() => leave());

/** If the device is named, the others are not measured. */
const onTiny = ['--model', 'tiny', '--engine', 'onnx', '--device', 'cpu'];
const evaluate = ['eval', '--task', 'sudoku4x4', ...onTiny];
const good = '{"puzzle":"3014002020004130","solution":"3214142323414132"}';

describe('unmask eval', () => {
  it('prints the documented fields, and writes every answer to a file', async () => {
    const result = await document([...evaluate, '--limit', '3']);
    assert.deepEqual(Object.keys(result), [
      'task',
      'model',
      'n',
      'metrics',
      'forwards_per_answer',
      'tokens_per_forward',
      'seconds',
      'results',
      'run',
      'dir',
    ]);
    assert.deepEqual([result.task, result.model, result.n], ['sudoku4x4', 'tiny', 3]);
    assert.deepEqual(Object.keys(result.metrics), ['cell_accuracy', 'solved']);
    for (const { value, low, high } of Object.values<{ value: number; low: number; high: number }>(result.metrics))
      assert.ok(0 <= low && low <= value && value <= high && high <= 1, JSON.stringify({ value, low, high }));
    // Sixteen tokens, four per step, in blocks of eight.
    assert.deepEqual([result.forwards_per_answer, result.tokens_per_forward], [4, 4]);
    assert.ok(result.seconds > 0);
    assert.equal(result.dir, path.join(home, 'evaluations', result.run));
    assert.equal(result.results, path.join(result.dir, 'answers.jsonl'));
    assert.deepEqual(JSON.parse(await readFile(path.join(result.dir, 'result.json'), 'utf8')), result);
    const answers = (await readFile(result.results, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.equal(answers.length, 3);
    const puzzles = sudoku4x4.heldOut!('test', 3).map(({ puzzle }) => puzzle);
    assert.deepEqual(
      answers.map(({ puzzle }) => puzzle),
      puzzles,
    );
    const again = await document([...evaluate, '--limit', '3']);
    assert.deepEqual(again.metrics, result.metrics);
    assert.notEqual(again.results, result.results, 'nothing is overwritten');
  });

  it('accepts settings, several samples with pass@k, and a seed', async () => {
    const args = [
      ...evaluate,
      '--limit',
      '2',
      '--samples',
      '3',
      '--set',
      'decoding_steps=2',
      '--set',
      'temperature=1.5',
    ];
    const result = await document([...args, '--seed', '5']);
    assert.deepEqual(Object.keys(result.metrics), ['cell_accuracy', 'solved', 'pass@1', 'pass@2', 'pass@3']);
    assert.equal(result.forwards_per_answer, 2);
    const texts = async (file: string) =>
      (await readFile(file, 'utf8'))
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line).completion);
    const written = await texts(result.results);
    assert.equal(written.length, 6);
    assert.ok(new Set(written).size > 1);
    assert.deepEqual(await texts((await document([...args, '--seed', '5'])).results), written);
    assert.notDeepEqual(await texts((await document([...args, '--seed', '6'])).results), written);
  });

  it('reads problems from a file: JSON lines, a JSON array, CSV', async () => {
    const csv = 'Puzzle,Solution\n3014002020004130,3214142323414132\n0000100420013142,4213132424313142\n';
    for (const [name, content, n] of [
      ['rows.jsonl', `${good}\n\n${good}\n`, 2],
      ['rows.json', `[${good}]`, 1],
      ['rows.csv', csv, 2],
    ] as const) {
      await writeFile(name, content);
      assert.equal((await document([...evaluate, '--data', name])).n, n, name);
    }
    await writeFile('countdown.jsonl', '{"input":"30,100,93","output":"23"}\n{"numbers":[3,4,5],"target":12}\n');
    assert.equal((await document(['eval', '--task', 'countdown', ...onTiny, '--data', 'countdown.jsonl'])).n, 2);
  });

  it('reports the line of a broken row, or skips it on request', async () => {
    await writeFile('broken.jsonl', `${good}\n{"puzzle":"30140020200\n${good}\n{"puzzle":"9"}\n`);
    assert.match(
      await refusal([...evaluate, '--data', 'broken.jsonl'], 1),
      /[\\/]broken\.jsonl, line 2: is not valid JSON/,
    );
    const { code, stdout, stderr } = await unmask([...evaluate, '--data', 'broken.jsonl', '--skip-broken', '--json']);
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).n, 2);
    assert.match(stderr, /broken\.jsonl, line 2: .*\n.*broken\.jsonl, line 4: puzzle: /);
  });

  it('rejects files without rows', async () => {
    for (const [name, content, message] of [
      ['empty.jsonl', '', /[\\/]empty\.jsonl is empty/],
      ['header.csv', 'Puzzle,Solution\n', /[\\/]header\.csv has no rows/],
      ['none.json', '[]', /[\\/]none\.json has no rows/],
    ] as const) {
      await writeFile(name, content);
      assert.match(await refusal([...evaluate, '--data', name], 1), message);
    }
    await writeFile('all-broken.jsonl', 'x\ny\n');
    assert.match(await refusal([...evaluate, '--data', 'all-broken.jsonl', '--skip-broken'], 1), /has no valid row/);
  });

  it('rejects a model that cannot encode the prompts, and can be stopped', async () => {
    await writeFile('problems.jsonl', '{"question":"How many apples are there?","answer":"#### 3"}\n');
    const message = await refusal(['eval', '--task', 'gsm8k', ...onTiny, '--data', 'problems.jsonl'], 1);
    assert.match(message, /The model tiny has no tokens for prompts of gsm8k/);
    const tagged = [...evaluate, '--set', 'format=tagged', '--limit', '1'];
    assert.match(await refusal(tagged, 1), /has no tokens for prompts of sudoku4x4/);
    const stopped = await unmask([...evaluate, '--json'], { signal: AbortSignal.abort() });
    assert.equal(stopped.code, 130);
    assert.deepEqual(JSON.parse(stopped.stdout), {
      error: { message: 'The evaluation was stopped before it began; nothing was written.' },
    });
  });

  for (const [task, file, n] of [
    ['sudoku4x4', 'sudoku4x4-test.csv', 256],
    ['countdown', 'countdown3-test.jsonl', 256],
  ] as const) {
    const data = path.join(import.meta.dirname, '../../../shared/data', file);
    it(`reads the public test file of ${task}`, { skip: !existsSync(data) && `${file} is not here` }, async () => {
      const result = await document(['eval', '--task', task, ...onTiny, '--data', data]);
      assert.equal(result.n, n);
    });
  }
});
