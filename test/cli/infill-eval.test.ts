import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import type { ModelConfig } from '../../src/model/config.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { tinyCheckpoint, tinyGeneration } from '../model/tiny-model.ts';
import { assertRefused, document, enterHome, refusal, unmask } from './unmask.ts';

/** A source file with one class; `about` makes it unique. */
const source = (about: string) => `export class ${about} {
  #items = [];

  push(item) {
    if (item === undefined) return this.#items.length;
    this.#items.push(item);
    return this.#items.length;
  }
}
`;
const tokenizer = new Tokenizer(trainBytePairs([source('Stack')], 300));

let leave: () => Promise<void>;
before(async () => {
  let home: string;
  ({ home, leave } = await enterHome());
  const write = (name: string, changes: Partial<ModelConfig>, own = tokenizer) =>
    writeCheckpoint(path.join(home, 'models', name), {
      ...tinyCheckpoint({ vocab_size: own.largestId + 1, max_position_embeddings: 640, eom_token_id: 3, ...changes }),
      tokenizer: own,
      generation: { ...tinyGeneration, line_canvas: 32, canvas: 64 },
    });
  await write('tiny-code', { attention: 'prefix-lm' });
  await write('tiny-left', { attention: 'causal', logit_shift: true });
  await write('other-left', { attention: 'causal' }, new Tokenizer(trainBytePairs([source('Queue')], 280)));
  await write('no-code', {});
  for (const folder of ['own', 'read', 'empty', 'space']) await mkdir(path.join(home, folder));
  for (const name of ['Deque', 'Pool', 'Set']) await writeFile(`space/${name}.js`, source(name));
  await writeFile('own/queue.js', source('Queue'));
  await writeFile('read/stack.js', source('Stack'));
  await writeFile('read/copy.js', source('Queue'));
  await writeFile('empty/notes.md', 'Nothing that is code.\n');
});
after(() => leave());

const command = (model = 'tiny-code', files = 'own', ngramFiles = 'read') => [
  ...['infill-eval', '--model', model, '--files', files, '--ngram-files', ngramFiles, '--items', '3'],
  ...['--engine', 'onnx', '--device', 'cpu'],
];
const rowNames = (model: string, ...others: string[]) => [
  ...[model, `${model}, likeliest`, `${model}, one token a step`, `${model}, from the left`],
  `${model}, shown in the editor`,
  ...others.flatMap((name) => [name, `${name}, likeliest`]),
];

describe('unmask infill-eval', () => {
  it('prints the documented fields for every kind of gap', async () => {
    const found = await document([...command(), '--autoregressive', 'tiny-left']);
    assert.deepEqual(Object.keys(found), ['model', 'kinds', 'seconds']);
    assert.deepEqual(
      found.kinds.map(({ kind }: { kind: string }) => kind),
      ['line', 'lines', 'span'],
    );
    for (const { n, scored, rows, verdicts } of found.kinds) {
      assert.ok(n === 3 && scored >= 1 && scored <= 3);
      assert.deepEqual(
        rows.map(({ name }: { name: string }) => name),
        rowNames('tiny-code', 'n-gram', 'autoregressive'),
      );
      for (const { metrics } of rows)
        for (const metric of ['exact_match', 'edit_similarity', 'parses', 'empty']) {
          const { value, low, high } = metrics[metric];
          assert.ok(low >= 0 && low <= value && value <= high && high <= 1, metric);
        }
      // A model with random weights cannot predict 300 tokens; the n-gram has read nearly the same class.
      const bits = (name: string) =>
        rows.find((row: { name: string }) => row.name === name).metrics.bits_per_character.value;
      assert.ok(bits('n-gram') > 0 && bits('n-gram') < bits('tiny-code'));
      assert.ok(bits('autoregressive') > bits('n-gram'));
      assert.deepEqual(
        rows.map(({ bits: are }: { bits?: string }) => are ?? null),
        ['bound', null, null, 'exact', null, 'exact', null, 'exact', null],
      );
      assert.equal(verdicts.length, 8);
      const rate = verdicts.find(({ metric }: { metric: string }) => metric === 'bits_per_character');
      assert.equal(rate.model, 'tiny-code, from the left', 'the row with the exact rate is compared');
    }
  });

  it('prints the same table for the same seed, and trains the n-gram without the files that contain gaps', async () => {
    const one = await unmask([...command(), '--kinds', 'line', '--length-given']);
    assert.equal(one.code, 0, one.stderr);
    assert.match(one.stderr, /^Not counted for the n-gram, because they contain gaps: 1 file$/m);
    assert.match(one.stdout, /^The rest of a line: 3 gaps, \d of them with a middle that fits/);
    for (const name of rowNames('tiny-code', 'tiny-code, length given', 'n-gram'))
      assert.ok(one.stdout.includes(`\n  ${name} `), name);
    assert.match(one.stdout, /\n {2}tiny-code .*<= \d+\.\d{3} \[/);
    assert.match(one.stdout, /\nexact match: .*\(tiny-code minus n-gram: /);
    assert.equal((await unmask([...command(), '--kinds', 'line', '--length-given'])).stdout, one.stdout);
    const other = await unmask([...command(), '--kinds', 'line', '--seed', '5']);
    assert.notEqual(other.stdout, one.stdout);
  });

  it('omits other decoding settings with --brief, with otherwise equal results', async () => {
    const [whole] = (await document([...command(), '--kinds', 'span'])).kinds;
    const [brief] = (await document([...command(), '--kinds', 'span', '--brief'])).kinds;
    const left = ['tiny-code', 'tiny-code, likeliest', 'n-gram', 'n-gram, likeliest'];
    assert.deepEqual(
      brief.rows,
      whole.rows.filter(({ name }: { name: string }) => left.includes(name)),
    );
  });

  it('rejects invalid requests with an error message', async () => {
    assert.match(await refusal(command('no-code'), 1), /^no-code was not trained to fill gaps by denoising/);
    assert.match(await refusal(command('tiny-left'), 1), /^tiny-left was not trained to fill gaps by denoising/);
    assert.match(await refusal(command('tiny-code', 'empty'), 1), /empty contains no readable source file/);
    assert.match(await refusal(command('tiny-code', 'nowhere'), 1), /nowhere cannot be read/);
    assert.match(await refusal(command('tiny-code', 'own', 'own'), 2), /nothing is left to count/);
    const withBaseline = (name: string) => refusal([...command(), '--autoregressive', name], 1);
    assert.match(await withBaseline('other-left'), /^other-left has another tokenizer than tiny-code/);
    assert.match(await withBaseline('tiny-code'), /^tiny-code is not an autoregressive model/);
    assert.match(await refusal([...command(), '--kinds', 'word'], 2), /there is no kind word/);
    assert.match(await refusal([...command(), '--items', '1'], 2), /a whole number of at least 2/);
  });

  it('measures a workspace: the model, copies from its own files, and both', async () => {
    const args = [
      'infill-eval',
      '--workspace',
      'space',
      '--model',
      'tiny-code',
      '--items',
      '4',
      '--engine',
      'onnx',
      '--device',
      'cpu',
    ];
    const found = await document(args);
    assert.deepEqual(
      found.rows.map(({ name }: { name: string }) => name),
      ['model', 'copies', 'both'],
    );
    assert.equal(found.n, 4);
    const [model, copies, both] = found.rows;
    // Two of the three files are the same but for a name, so copies are nearly always right.
    assert.ok(copies.exact.value >= 0.5 && both.exact.value >= 0.5 && model.exact.value < copies.exact.value);
    for (const { precision_coverage: curve } of found.rows)
      for (const { precision, coverage } of curve)
        assert.ok(coverage >= 0 && coverage <= 1 && (precision === null) === (coverage === 0));
    assert.deepEqual(
      found.differences.map(({ of, against }: { of: string; against: string }) => `${of}, ${against}`),
      ['copies, model', 'both, model', 'both, copies'],
    );
    assert.deepEqual(
      found.gate.map(({ level }: { level: string }) => level),
      ['eager', 'balanced', 'careful'],
    );
    assert.deepEqual([found.index.files, found.index.bytes_per_character < 10], [3, true]);
    const { stdout } = await unmask(args);
    assert.match(stdout, /^The rest of a line: 4 gaps/);
    assert.match(stdout, /balanced +a suggestion in \d+ % of the gaps/);
    assert.match(await refusal([...args, '--kinds', 'span'], 2), /--kinds does not go together with --workspace/);
    assert.match(await refusal(args.with(2, 'empty'), 1), /empty contains no readable source file/);
    assert.match(await refusal(args.with(2, 'nowhere'), 1), /nowhere cannot be read/);
  });

  it('can be stopped', async () => {
    const args = [...command(), '--json'];
    const ended = await unmask(args, { signal: AbortSignal.abort() });
    assert.match(assertRefused(ended, 130, args), /was stopped/);
  });
});
