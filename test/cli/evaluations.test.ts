import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { writeTinyCheckpoint } from '../model/tiny-model.ts';
import { assertRefused, document, enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
  await writeTinyCheckpoint(path.join(home, 'models', 'other'), {}, 2);
});
after(() => leave());

const evaluate = ['eval', '--task', 'sudoku4x4', '--engine', 'onnx', '--device', 'cpu'];

describe('unmask eval as a job', () => {
  it('prints its run directory on stderr, and resumes after it was stopped', async () => {
    const args = [...evaluate, '--model', 'tiny', '--limit', '130', '--samples', '2', '--json'];
    const whole = await document(args.slice(0, -1));
    const abort = new AbortController();
    const stopped = await unmask(args, {
      signal: abort.signal,
      onProgress: (stderr) => {
        if (/^\d+ of 260 answers/m.test(stderr)) abort.abort();
      },
    });
    const message = assertRefused(stopped, 130, args);
    const dir = /^run (.*)$/m.exec(stopped.stderr)?.[1] as string;
    assert.match(message, /^Stopped after \d+ of 260 answers\. To continue, run `unmask eval --resume .*`\.$/);
    assert.match(await refusal(['eval', '--resume', dir, '--limit', '3'], 2), /leave out --limit/);
    assert.match(
      await refusal(['evaluations', 'show', dir], 1),
      /ended after \d+ of 260 answers; resume it with `unmask eval --resume/,
    );
    const result = await document(['eval', '--resume', path.basename(dir)]);
    assert.deepEqual([result.dir, result.metrics], [dir, whole.metrics]);
    assert.equal(await readFile(result.results, 'utf8'), await readFile(whole.results, 'utf8'));
    await document(['evaluations', 'delete', dir]);
    await document(['evaluations', 'delete', whole.run]);
  });

  it('accepts another folder, and rejects invalid requests before it creates one', async () => {
    const { dir } = await document([...evaluate, '--model', 'tiny', '--limit', '2', '--runs', 'elsewhere']);
    assert.equal(path.dirname(dir), path.join(home, 'elsewhere'));
    assert.match(await refusal(['eval'], 2), /needs --task, --workspace, or --resume/);
    assert.match(await refusal(['eval', '--resume', 'nosuch'], 1), /There is no evaluation nosuch/);
    assert.match(await refusal([...evaluate, '--model', 'nosuch', '--runs', 'nowhere'], 1), /There is no model nosuch/);
    assert.equal(existsSync('nowhere'), false);
  });
});

describe('unmask evaluations', () => {
  it('lists, shows, compares, exports and deletes', async () => {
    assert.deepEqual(await document(['evaluations', 'list']), { evaluations: [] });
    const first = await document([...evaluate, '--model', 'tiny', '--limit', '12']);
    const second = await document([...evaluate, '--model', 'other', '--limit', '10']);
    const { evaluations } = await document(['evaluations', 'list']);
    assert.deepEqual(
      evaluations.map(
        ({ run, model, state, result }: { run: string; model: string; state: string; result: unknown }) => [
          run,
          model,
          state,
          result,
        ],
      ),
      [
        [second.run, 'other', 'finished', second],
        [first.run, 'tiny', 'finished', first],
      ],
    );
    const shown = await document(['evaluations', 'show', second.run]);
    assert.deepEqual([shown.compared, shown.shared, shown.differences, shown.rows.length], [null, 0, [], 10]);
    assert.equal(shown.others.length, 1);
    const compared = await document(['evaluations', 'compare', second.dir]);
    assert.equal(compared.compared.run, first.run, 'the previous evaluation');
    assert.equal(compared.shared, 10);
    assert.deepEqual(
      compared.differences.map(({ name }: { name: string }) => name),
      ['cell_accuracy', 'solved'],
    );
    const reversed = await document(['evaluations', 'compare', first.run, '--against', second.run]);
    assert.ok(
      Math.abs(reversed.differences[0].difference.value + compared.differences[0].difference.value) < 1e-12,
      'the other way round',
    );
    const alone = await document(['evaluations', 'compare', first.run]);
    assert.equal(alone.compared, null, 'the first one has no previous evaluation');
    const { stdout } = await unmask(['evaluations', 'compare', second.run]);
    assert.match(
      stdout,
      /^other reached .*\nNo measurable difference in cell accuracy: .*tiny on the same 10 problems/,
    );

    const file = path.join(home, 'out', 'answers.csv');
    const exported = await document(['evaluations', 'export', first.run, '--format', 'csv', '--output', file]);
    assert.deepEqual(exported, { file, format: 'csv', rows: 12 });
    assert.equal((await readFile(file, 'utf8')).split('\r\n').length, 14);
    const printed = await unmask(['evaluations', 'export', first.run]);
    assert.equal(printed.stdout, await readFile(first.results, 'utf8'));

    const { evaluations: left } = await document(['evaluations', 'delete', first.run]);
    assert.equal(left.length, 1);
    assert.equal(existsSync(first.dir), false);
  });

  it('rejects invalid requests with an error message', async () => {
    assert.match(await refusal(['evaluations', 'burn'], 2), /^Unknown action burn; the actions are list, show, /);
    assert.match(await refusal(['evaluations', 'show'], 2), /needs the name of an evaluation/);
    assert.match(await refusal(['evaluations', 'delete', 'nosuch'], 1), /^There is no evaluation nosuch in /);
    const { run } = await document([...evaluate, '--model', 'tiny', '--limit', '2']);
    assert.match(await refusal(['evaluations', 'export', run, '--format', 'xml'], 2), /the formats are jsonl and csv/);
    assert.match(await refusal(['evaluations', 'export', run], 2), /with --output/);
  });
});
