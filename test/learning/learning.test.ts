import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { IndexedText } from '../../src/copies/segment.ts';
import { findLearned, keepLearned, learnedName } from '../../src/learning/learned-model.ts';
import { batchSize } from '../../src/learning/learning-method.ts';
import { relativeName, splitWorkspace } from '../../src/learning/workspace-split.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { writeCheckpoint } from '../../src/model/checkpoint.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { Random } from '../../src/platform/random.ts';
import { GapExamples } from '../../src/training/code/gap-examples.ts';
import { maskedDiffusionBatch } from '../../src/training/masked-diffusion-loss.ts';
import { document, enterHome, refusal, unmask } from '../cli/unmask.ts';
import { tinyCheckpoint, tinyGeneration } from '../model/tiny-model.ts';

/** A source file; `about` makes it unique. */
const source = (about: string) => `export class ${about} {
  #items = [];

  push(item) {
    if (item === undefined) return this.#items.length;
    this.#items.push(item, '${about}');
    return this.#items.length;
  }

  get ${about.toLowerCase()}() {
    return this.#items.filter((item) => item !== '${about}');
  }
}
`;
const names = ['Stack', 'Queue', 'Deque', 'Pool', 'Heap', 'Tree', 'Graph', 'Table', 'List', 'Cache', 'Index', 'Trie'];
const tokenizer = new Tokenizer(trainBytePairs([source('Stack')], 300));

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeCheckpoint(path.join(home, 'models', 'tiny-code'), {
    ...tinyCheckpoint({
      vocab_size: tokenizer.largestId + 1,
      max_position_embeddings: 640,
      eom_token_id: 3,
      attention: 'prefix-lm',
    }),
    tokenizer,
    generation: { ...tinyGeneration, line_canvas: 16, canvas: 16 },
  });
  for (const folder of ['space', 'small', 'other']) await mkdir(path.join(home, folder));
  for (const name of names) {
    await writeFile(`space/${name}.js`, source(name));
    await writeFile(`other/${name}.js`, source(name));
  }
  for (const name of names.slice(0, 3)) await writeFile(`small/${name}.js`, source(name));
});
after(() => leave());

const learn = (...args: string[]) => [
  ...['learn', '--model', 'tiny-code', '--engine', 'onnx', '--device', 'cpu'],
  ...['--set', 'gaps=6', '--set', 'elsewhere_gaps=2', '--set', 'batch_size=2', '--set', 'length=64', ...args],
];
const settings = ['--workspace', 'space', '--minutes', '0.01'];

describe('the files of a workspace', () => {
  const texts = (all: readonly string[]): IndexedText[] =>
    all.map((name) => ({ name: `/work/${name}`, text: source('Stack') }));
  const many = Array.from({ length: 20 }, (_, index) => `src/file-${index}.ts`);

  it('are split by their path: a fifth is held out, and files that are added move no more than their share', () => {
    const { training, heldOut } = splitWorkspace('/work', texts([...many, 'notes.md']));
    assert.deepEqual([training.length, heldOut.length], [16, 4]);
    assert.deepEqual(splitWorkspace('/work', texts(many)).heldOut, heldOut, 'a file without a grammar changes nothing');
    const moved = splitWorkspace('/work', texts([...many, 'src/new.ts'])).heldOut;
    const same = heldOut.filter(({ name }) => moved.some((other) => other.name === name));
    assert.ok(same.length >= 3);
    const recorded = new Set(heldOut.map(({ name }) => relativeName('/work', name)));
    assert.deepEqual(splitWorkspace('/work', texts([...many, 'src/new.ts']), recorded).heldOut, heldOut);
  });

  it('are too few if none could be held out', () => {
    assert.throws(() => splitWorkspace('/work', texts(many.slice(0, 3))), {
      name: 'UserError',
      message: /^\/work has 3 source files; learning needs at least 5, /,
    });
  });
});

describe('a batch of a fixed size', () => {
  it('has the same shapes in every step, and masks no token that is not predicted', () => {
    const random = new Random(0, 'fixed');
    const draw = new GapExamples([{ package: '', path: '', text: names.map(source).join('') }], tokenizer, 3);
    const size = batchSize({ max_position_embeddings: 640 }, { batch_size: 3, length: 64 });
    assert.deepEqual(size, { length: 64, predictions: 96 });
    for (const predictions of [size.predictions, 5])
      for (let step = 0; step < 5; step++) {
        const examples = Array.from({ length: 3 }, () => draw[step % 2 ? 'text' : 'gaps'](64, random));
        const tokens = { mask: 2, pad: 0 };
        const batch = maskedDiffusionBatch(examples, tokens, 'stratified', random, { length: 64, predictions });
        assert.deepEqual(
          [batch.tokens.shape, batch.present?.shape, batch.rows.shape, batch.targets.shape],
          [[3, 64], [3, 64], [predictions], [predictions]],
        );
        const masked = [...(batch.tokens.data as Int32Array)].flatMap((token, place) => (token === 2 ? [place] : []));
        const weights = batch.extra.weights!.data as Float32Array;
        const predicted = [...(batch.rows.data as Int32Array)].filter((_, entry) => weights[entry]! > 0);
        assert.deepEqual(
          masked,
          predicted.sort((a, b) => a - b),
        );
      }
  });
});

describe('unmask learn', () => {
  it('measures before and after with copies, and keeps nothing that is not better', async () => {
    const found = await document(learn(...settings));
    assert.equal(found.gaps, 6);
    assert.equal(found.held_out_files, 2);
    assert.ok(found.steps > 0 && found.tokens === found.steps * 2 * 64);
    assert.ok(found.training_seconds >= 0.6 && found.seconds >= found.training_seconds);
    for (const { value, low, high } of [found.before, found.after, found.difference])
      assert.ok(low <= value && value <= high);
    assert.equal(found.elsewhere.gaps, 2);
    assert.equal(found.kept, found.difference.low > 0);
    assert.equal(found.model, found.kept ? learnedName(path.join(home, 'space')) : 'tiny-code');
    const run = JSON.parse(await readFile(path.join(found.dir, 'run.json'), 'utf8'));
    assert.deepEqual([run.kind, run.settings.held_out.length, typeof run.memory], ['fine-tune', 2, 'number']);
    assert.ok(!(await readdir(found.dir)).includes('workspace-files.json'), 'the copy of the files is removed');
  });

  it('says how much memory it needs, stops on request, and continues with the files as they were', async () => {
    const stop = new AbortController();
    const { code, stdout, stderr } = await unmask([...learn('--workspace', 'other', '--minutes', '0.05'), '--json'], {
      signal: stop.signal,
      onProgress: (text) => /^step 1 /m.test(text) && stop.abort(),
    });
    assert.equal(code, 130, stderr);
    assert.match(stderr, /^The run needs about .* of memory; /m);
    assert.match(stderr, /^Learning from 10 files, with 2 more files held out to measure on\.$/m);
    assert.match(
      JSON.parse(stdout).error.message,
      /^Stopped after step \d+\. To continue, run `unmask learn --resume /,
    );
    const dir = /^run (.+)$/m.exec(stderr)![1] as string;
    const before = await readFile(path.join(dir, 'before.json'), 'utf8');
    await writeFile('other/Stack.js', source('Changed'));
    const found = await document(['learn', '--resume', dir, '--engine', 'onnx', '--device', 'cpu']);
    assert.equal(found.dir, dir);
    assert.ok(found.steps >= 1 && found.training_seconds >= 3);
    assert.equal(await readFile(path.join(dir, 'before.json'), 'utf8'), before, 'it is not measured again');
  });

  it('is undone: the model is removed, and its base stays', async () => {
    const space = path.join(home, 'space');
    const difference = { value: 0.1, low: 0.05, high: 0.15 };
    const record = { workspace: space, base: 'tiny-code', held_out: ['Stack.js', 'Queue.js'], difference };
    const name = await keepLearned(path.join(home, 'models', 'tiny-code'), '# learned\n', record);
    assert.equal(name, learnedName(space));
    // Learning again takes the place of the earlier model.
    await keepLearned(path.join(home, 'models', 'tiny-code'), '# learned again\n', record);
    assert.deepEqual((await findLearned(space))?.record, record);
    assert.equal(await findLearned(path.join(home, 'other')), null);

    const { n, rows, learned, differences } = await document([
      ...['infill-eval', '--workspace', 'space', '--model', 'tiny-code', '--items', '4'],
      ...['--engine', 'onnx', '--device', 'cpu'],
    ]);
    assert.deepEqual(
      rows.map((row: { name: string }) => row.name),
      ['model', 'copies', 'both', 'learned'],
    );
    assert.deepEqual([n, learned], [4, { model: name, held_out_files: 2 }]);
    const ofLearned = differences.filter((one: { of: string }) => one.of === 'learned');
    assert.deepEqual(
      ofLearned.map((one: { against: string }) => one.against),
      ['model', 'copies', 'both'],
    );

    assert.deepEqual(await document(['learn', '--workspace', 'space', '--undo']), { removed: name, base: 'tiny-code' });
    assert.equal(await findLearned(space), null);
    assert.match(await refusal(['learn', '--workspace', 'space', '--undo'], 1), /^No model was learned on .*\/space, /);
  });

  it('refuses a small workspace, a missing one, and a model that does not complete code', async () => {
    assert.match(
      await refusal(learn('--workspace', 'small'), 1),
      /small has 3 source files; learning needs at least 5/,
    );
    assert.match(await refusal(learn('--workspace', 'nowhere'), 2), /there is no such folder/);
    assert.match(await refusal(['learn'], 2), /needs --workspace, or --resume/);
    assert.match(await refusal(learn('--workspace', 'space', '--minutes', '0'), 2), /give a number above 0/);
  });
});

describe('unmask infill-eval --peer', () => {
  let server: Server;
  let address: string;
  const asked: { url: string; body: Record<string, unknown> }[] = [];
  before(async () => {
    // Answers as llama.cpp does, with `return` and another line.
    server = createServer((request, response) => {
      let text = '';
      request.on('data', (part) => {
        text += part;
      });
      request.on('end', () => {
        asked.push({ url: request.url!, body: JSON.parse(text) });
        const answer =
          request.url?.endsWith('/infill') && request.url !== '/other/infill'
            ? { content: 'x;\nmore' }
            : { choices: [{ text: 'x;' }] };
        response.setHeader('content-type', 'application/json');
        if (request.url === '/moved/infill') response.writeHead(307, { location: 'http://127.0.0.1:1/' });
        response.end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => server.close());
  const measure = (...args: string[]) => [
    ...['infill-eval', '--workspace', 'space', '--model', 'tiny-code', '--items', '3', ...args],
    ...['--engine', 'onnx', '--device', 'cpu'],
  ];

  const modes = [
    ['infill', '/infill', ['input_prefix', 'input_suffix', 'n_predict']],
    ['suffix', '/v1/completions', ['prompt', 'suffix', 'max_tokens']],
    ['prefix', '/v1/completions', ['prompt', 'max_tokens']],
  ] as const;
  for (const [mode, url, fields] of modes)
    it(`measures a server that is asked by ${mode}`, async () => {
      asked.length = 0;
      const { rows, n } = await document(measure('--peer', address, '--peer-mode', mode));
      assert.deepEqual(
        rows.map((row: { name: string }) => row.name),
        ['model', 'copies', 'both', `peer:${new URL(address).host}`],
      );
      assert.equal(asked.length, n);
      for (const one of asked) {
        assert.equal(one.url, url);
        assert.deepEqual(Object.keys(one.body).sort(), [...fields, 'temperature', 'stop', 'stream'].sort());
      }
    });

  it('says in one sentence that a server does not answer, answers otherwise, or redirects', async () => {
    assert.match(
      await refusal(measure('--peer', 'http://127.0.0.1:1'), 1),
      /^http:\/\/127\.0\.0\.1:1\/infill did not answer \(.+\); start the server, or check --peer and --peer-mode\.$/,
    );
    assert.match(
      await refusal(measure('--peer', `${address}/moved`), 1),
      /\/moved\/infill did not answer \(.*redirect/,
    );
    assert.match(
      await refusal(measure('--peer', `${address}/other`), 1),
      /\/other\/infill did not answer as llama\.cpp does; check --peer-mode\.$/,
    );
  });

  it('sends no code to another machine unless that machine is named', async () => {
    asked.length = 0;
    for (const host of ['http://example.com', 'http://192.0.2.1:8080', 'http://127.0.0.1.example.com'])
      assert.match(
        await refusal(measure('--peer', host), 2),
        /would send up to 6000 characters of your code around each gap to .*, which is not this machine; to allow that, add --send-code-to /,
      );
    assert.match(
      await refusal(measure('--peer', 'http://example.com', '--send-code-to', 'example.org'), 2),
      /not this machine/,
    );
    assert.match(
      await refusal(measure('--peer', address, '--send-code-to', '127.0.0.1'), 2),
      /leave out --send-code-to/,
    );
    assert.match(await refusal(measure('--send-code-to', 'example.com'), 2), /needs --peer/);
    assert.match(await refusal(measure('--peer', 'ftp://localhost'), 2), /give an address such as/);
    assert.match(
      await refusal(measure('--peer', address, '--peer-mode', 'chat'), 2),
      /choose one of infill, suffix, prefix/,
    );
    assert.equal(asked.length, 0);
  });
});
