import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { addGguf } from '../../src/catalogue/add-gguf.ts';
import { readCard } from '../../src/catalogue/card.ts';
import { readOrigin } from '../../src/catalogue/origin.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { ChatTemplate } from '../../src/model/chat-template.ts';
import { openCheckpoint, readCheckpoint } from '../../src/model/checkpoint.ts';
import { llama3ScalingOf } from '../../src/model/gguf/configuration.ts';
import { GgufFile } from '../../src/model/gguf/gguf-file.ts';
import type { MetadataValue } from '../../src/model/gguf/header.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { SafetensorsFile } from '../../src/model/safetensors.ts';
import { enterHome, refusal, unmask } from '../cli/unmask.ts';
import { oneThread } from '../model/tiny-model.ts';
import { ggufBytes, u64, type WrittenGguf, type WrittenTensor, writeGguf } from '../model/write-gguf.ts';

const references = path.join(import.meta.dirname, '..', 'model', 'references');
const small = (name: string): string => path.join(references, 'gguf', `${name}.gguf`);

/** The GGUF files, and the checkpoints that they were converted from. */
const origins = { llama: 'llama-tied', qwen2: 'qwen2', qwen3: 'qwen3' } as const;

const { signal } = new AbortController();
const add = (file: string, name: string) => addGguf({ file, name, signal, progress: () => undefined });

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
});
after(() => leave());

describe('adding a GGUF file', () => {
  for (const [name, layout] of Object.entries(origins))
    it(`restores the ${name} that it was converted from: configuration, bit-identical weights, and logits`, async () => {
      const folder = await add(small(name), name);
      const [found, original] = [
        await readCheckpoint(await resolveModel(folder)),
        await readCheckpoint(await resolveModel(path.join(references, layout))),
      ];
      const { published_config: _, initializer_range: __, ...config } = found.config;
      for (const [field, value] of Object.entries(config)) assert.deepEqual(original.config[field], value, field);
      assert.deepEqual([...found.weights.keys()], [...original.weights.keys()]);
      for (const [weight, tensor] of found.weights) assert.deepEqual(tensor, original.weights.get(weight), weight);

      const { tokens, logits } = JSON.parse(await readFile(path.join(references, layout, 'logits.json'), 'utf8'));
      const model = await LanguageModel.load(oneThread(), await openCheckpoint(await resolveModel(folder)));
      const raw = await model.rawLogits(Int32Array.from(tokens));
      for (const [index, value] of (logits as number[][]).flat().entries())
        assert.ok(Math.abs(raw[index]! - value) < 1e-4);
      await model.dispose();
    });

  it('keeps 16-bit numbers in 16 bits', async () => {
    const { tensors } = await SafetensorsFile.open(path.join(home, 'models', 'qwen3', 'model.safetensors'));
    assert.equal(tensors.get('model.layers.0.mlp.up_proj.weight')?.dtype, 'BF16');
    assert.equal(tensors.get('model.norm.weight')?.dtype, 'F32');
  });

  it('includes the tokenizer, chat template, licence and source', async () => {
    const folder = path.join(home, 'models', 'llama');
    const { tokenizer } = await openCheckpoint(await resolveModel(folder));
    // Two merges give one token of three letters; spaces and line breaks are written with the letters that stand for
    // bytes.
    assert.deepEqual(tokenizer.encode('the\n t'), [101, 99, 4, 88]);
    assert.equal(tokenizer.decode([101, 99, 4, 88]), 'the\n t');
    assert.deepEqual(tokenizer.startTokens, [2], 'the file requires a token before every text');
    assert.deepEqual(tokenizer.specialTokens, [0, 1, 2, 3]);
    assert.equal(ChatTemplate.of(tokenizer.files.config)?.render('Hi').text, '<|im_start|>user\nHi<|im_end|>\n');
    const { title, licence } = await readCard(folder);
    assert.deepEqual([title, licence], ['Tiny llama', 'mit']);
    const origin = await readOrigin(folder);
    assert.ok(origin?.source === 'gguf' && origin.file === small('llama'));
    assert.deepEqual(origin.formats, ['F32']);
    assert.match(origin.sha256, /^[0-9a-f]{64}$/);
  });

  it("works from the command line, with the file's name as the default", async () => {
    await writeFile('Tiny.GGUF', await readFile(small('qwen3')));
    const { code, stdout, stderr } = await unmask(['models', 'add', 'Tiny.GGUF']);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^Tiny is installed in /m);
    assert.match(stdout, /an autoregressive model/);
    assert.match(await refusal(['models', 'add', 'Tiny.GGUF'], 1), /There is a model Tiny already/);
    assert.match(await refusal(['models', 'add', 'nowhere.gguf'], 1), /nowhere\.gguf does not exist/);
    assert.match(await refusal(['models', 'add', 'Tiny.GGUF', '--name', '../x'], 2), /cannot name a model/);
    assert.match(await refusal(['models', 'add', 'Tiny.GGUF', '--dry-run'], 2), /--dry-run/);
  });

  it('adds the model completely or not at all', async () => {
    const stopped = new AbortController();
    stopped.abort();
    const request = { file: small('qwen3'), name: 'stopped', progress: () => undefined };
    await assert.rejects(addGguf({ ...request, signal: stopped.signal }), { name: 'Interrupted' });
    await assert.rejects(addGguf({ ...request, signal, freeSpace: async () => 1000 }), {
      name: 'UserError',
      message: /are needed/,
    });
    const left = await readdir(path.join(home, 'models'));
    assert.ok(!left.includes('stopped') && !left.includes('.adding'), left.join());
  });
});

/** The contents of a small file, to be written again with changes. */
async function contentOf(name: string): Promise<WrittenGguf> {
  return GgufFile.use(small(name), async (gguf) => {
    const tensors: [string, WrittenTensor][] = [];
    for (const [tensor, { shape, format, start, end }] of gguf.tensors)
      tensors.push([
        tensor,
        {
          dimensions: shape.toReversed(),
          type: format.name === 'F32' ? 0 : 30,
          bytes: await gguf.bytes(gguf.tensors.get(tensor)!, 0, end - start),
        },
      ]);
    return { metadata: [...gguf.metadata], tensors };
  });
}

describe('an invalid GGUF file', () => {
  let content: WrittenGguf;
  before(async () => {
    content = await contentOf('qwen3');
  });
  let file: string;
  beforeEach(() => {
    file = path.join(home, 'changed.gguf');
  });

  const assertRejected = (message: RegExp) => assert.rejects(add(file, 'refused'), { name: 'UserError', message });
  const metadata = (changes: Readonly<Record<string, MetadataValue | null>>): WrittenGguf => ({
    ...content,
    metadata: [
      ...content.metadata.filter(([key]) => !Object.hasOwn(changes, key)),
      ...Object.entries(changes).flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])),
    ],
  });
  const tensor = (name: string, changes: Partial<WrittenTensor>): WrittenGguf => ({
    ...content,
    tensors: content.tensors.map(([each, was]) => [each, each === name ? { ...was, ...changes } : was]),
  });

  it('is accepted if the tests write it without changes', async () => {
    await writeGguf(file, content);
    await add(file, 'same');
    const { weights } = await readCheckpoint(await resolveModel(path.join(home, 'models', 'same')));
    assert.deepEqual(weights, (await readCheckpoint(await resolveModel(path.join(references, 'qwen3')))).weights);
  });

  it('is rejected if it is truncated at any place', async () => {
    const whole = ggufBytes(content);
    const lengths = [0, 3, 4, 7, 8, 20, 24, 30, 100, 1000, 2000, 4000, whole.length - 8000, whole.length - 1];
    for (const length of lengths) {
      await writeFile(file, whole);
      await truncate(file, length);
      await assertRejected(/^\S+changed\.gguf is not a whole GGUF file \(.*\); copy or download it again\.$/);
    }
  });

  it('is rejected if it has another format', async () => {
    await writeGguf(file, { ...content, magic: 'GGML' });
    await assertRejected(/it does not begin with GGUF/);
    await writeGguf(file, { ...content, version: 1 });
    await assertRejected(/its version is 1, but only versions 2 and 3 are supported/);
    await writeGguf(file, { ...content, version: 3 * 2 ** 24 });
    await assertRejected(/it is big-endian/);
    await assert.rejects(add(home, 'refused'), { message: /is not a file; check the path/ });
  });

  it('is rejected if its counts and lengths exceed its size', async () => {
    const whole = ggufBytes(content);
    for (const [place, count, why] of [
      [8, 2n ** 63n, /states \d+ tensors, and \d+ bytes cannot hold them/],
      [8, 100_000n, /100000 tensors/],
      [16, 2n ** 40n, /entries of metadata/],
      // The length of the first key.
      [24, 2n ** 62n, /bytes of a text/],
    ] as const) {
      const changed = Buffer.from(whole);
      u64(count).copy(changed, place);
      await writeFile(file, changed);
      await assertRejected(why);
    }
    await writeGguf(file, metadata({ list: [1] }));
    const changed = await readFile(file);
    u64(2n ** 50n).copy(changed, changed.indexOf(Buffer.concat([Buffer.from('list'), Buffer.from([9, 0, 0, 0])])) + 12);
    await writeFile(file, changed);
    await assertRejected(/states 1125899906842624 entries of a list/);
  });

  const damages: readonly [what: string, () => WrittenGguf, why: RegExp][] = [
    [
      'a key twice',
      () => ({ ...content, metadata: [...content.metadata, content.metadata[0]!] }),
      /architecture twice/,
    ],
    [
      'a tensor twice',
      () => ({ ...content, tensors: [...content.tensors, content.tensors[0]!] }),
      /the tensor \S+ twice/,
    ],
    ['an offset after its end', () => tensor('output_norm.weight', { offset: 2 ** 40 }), /ends at byte \d+ of \d+/],
    ['an offset that is not aligned', () => tensor('output_norm.weight', { offset: 4 }), /is not aligned/],
    ['two tensors at one offset', () => tensor('output_norm.weight', { offset: 0 }), /overlaps another/],
    ['no dimensions', () => tensor('output_norm.weight', { dimensions: [] }), /has 0 dimensions/],
    ['a dimension of 0', () => tensor('output_norm.weight', { dimensions: [0] }), /is \[0\]/],
    ['dimensions that overflow', () => tensor('output_norm.weight', { dimensions: [2 ** 31, 2 ** 31] }), /is \[/],
    ['half a block', () => tensor('output_norm.weight', { dimensions: [40], type: 8 }), /not made of blocks of 32/],
    ['an unsupported type', () => tensor('output_norm.weight', { type: 23 }), /of the type IQ4_XS, but only F32, F16/],
    ['an unknown type', () => tensor('output_norm.weight', { type: 99 }), /of the type number 99/],
    ['an alignment of 3', () => metadata({ 'general.alignment': 3 }), /alignment is 3/],
    ['lists nested three deep', () => metadata({ deep: [[[1]]] }), /lists in lists/],
  ];
  for (const [what, changed, why] of damages)
    it(`is rejected if it has ${what}`, async () => {
      await writeGguf(file, changed());
      await assertRejected(why);
    });

  it('is rejected if a string is not UTF-8', async () => {
    await writeGguf(file, metadata({ odd: 'mark' }));
    const changed = await readFile(file);
    changed[changed.indexOf('mark')] = 0xff;
    await writeFile(file, changed);
    await assertRejected(/the text at byte \d+ is not UTF-8/);
  });

  const unsupported: readonly [changes: Readonly<Record<string, MetadataValue | null>>, why: RegExp][] = [
    [{ 'tokenizer.ggml.pre': 'tekken' }, /tokenizer\.ggml\.pre = tekken, and text that is cut as gpt-2, smollm/],
    [{ 'tokenizer.ggml.pre': null }, /no tokenizer\.ggml\.pre/],
    [{ 'tokenizer.ggml.model': 'llama' }, /tokenizer\.ggml\.model = "llama", which is not supported/],
    [{ 'general.architecture': 'gemma3' }, /architecture "gemma3", but only llama, qwen2, qwen3 are supported/],
    [{ 'general.architecture': null }, /architecture ""/],
    [{ 'general.architecture': 7 }, /general\.architecture is 7, but it must be a text/],
    [{ 'split.count': 3 }, /split\.count = 3/],
    [{ 'qwen3.attention.sliding_window': 4096 }, /qwen3\.attention\.sliding_window = 4096/],
    [{ 'qwen3.attention.causal': false }, /qwen3\.attention\.causal = false/],
    [{ 'qwen3.rope.scaling.type': 'yarn' }, /qwen3\.rope\.scaling\.type = "yarn"/],
    [{ 'qwen3.rope.dimension_count': 8 }, /qwen3\.rope\.dimension_count = 8/],
    [{ 'qwen3.attention.head_count_kv': [2, 2] }, /head_count_kv is \[2,2\], but it must be a whole number/],
    [{ 'qwen3.block_count': 3 }, /lacks the tensor blk\.2\.attn_norm\.weight/],
    [{ 'qwen3.block_count': 1 }, /holds the tensor blk\.1\.\S+, which a model of the architecture qwen3 does not have/],
    [{ 'qwen3.block_count': 0 }, /block_count is 0, but it must be a positive whole number/],
    [{ 'qwen3.block_count': 2000 }, /num_hidden_layers must be at most 1024, not 2000/],
    [{ 'qwen3.feed_forward_length': null }, /feed_forward_length is missing/],
    [{ 'qwen3.embedding_length': 64 }, /token_embd\.weight is \[102,32\], but its metadata requires \[102,64\]/],
    [{ 'tokenizer.ggml.eos_token_id': null }, /names an end-of-text token/],
    [{ 'tokenizer.ggml.eos_token_id': 5000 }, /tokenizer\.ggml\.eos_token_id = 5000/],
    [{ 'tokenizer.ggml.token_type': [1, 1] }, /102 tokens and 2 kinds of tokens/],
    [{ 'tokenizer.ggml.tokens': [1, 2] }, /tokenizer\.ggml\.tokens is \[1,2\], but it must be a list of texts/],
    [{ 'tokenizer.ggml.merges': ['th'] }, /has the merge th, which is not of two tokens/],
    [{ 'tokenizer.ggml.merges': null }, /tokenizer\.ggml\.merges is missing/],
    [
      { 'tokenizer.ggml.tokens': Array(102).fill('a'), 'tokenizer.ggml.token_type': Array(102).fill(1) },
      /the token a twice/,
    ],
  ];
  for (const [changes, why] of unsupported)
    it(`is rejected with ${JSON.stringify(changes).slice(0, 80)}`, async () => {
      await writeGguf(file, metadata(changes));
      await assertRejected(why);
      assert.ok(!(await readdir(path.join(home, 'models'))).includes('refused'));
    });

  it('is accepted if a feature is marked as disabled', async () => {
    const off = { 'qwen3.attention.sliding_window': 0, 'qwen3.expert_count': 0, 'qwen3.attention.causal': true };
    await writeGguf(file, metadata({ ...off, 'qwen3.rope.scaling.type': 'none' }));
    await add(file, 'off');
  });

  it('is rejected if it has more tokens than embeddings', async () => {
    const tokens = Array.from({ length: 103 }, (_, id) => `t${id}`);
    const changes = { 'tokenizer.ggml.tokens': tokens, 'tokenizer.ggml.token_type': Array(103).fill(1) };
    await writeGguf(file, metadata({ ...changes, 'tokenizer.ggml.merges': ['t 1'] }));
    await assertRejected(/103 tokens, and embeddings of 102/);
  });

  it('is rejected if a weight is not finite, and leaves no files', async () => {
    const bytes = new Uint8Array(new Float32Array(32).fill(Number.POSITIVE_INFINITY).buffer);
    await writeGguf(file, tensor('output_norm.weight', { bytes }));
    await assertRejected(/output_norm\.weight holds values that are not finite/);
    assert.ok(!(await readdir(path.join(home, 'models'))).some((name) => name === 'refused' || name === '.adding'));
  });
});

it("Llama 3's scaling of rotary positions is recognised by its factors, and other scalings are rejected", () => {
  // As llama.cpp's converter computes them, for heads of 64 and a base of 500,000.
  const factors = (factor: number, low = 1, high = 4) =>
    Float32Array.from({ length: 32 }, (_, pair) => {
      const wavelength = 2 * Math.PI * 500_000 ** (pair / 32);
      if (wavelength < 8192 / high) return 1;
      if (wavelength > 8192 / low) return factor;
      const smooth = (8192 / wavelength - low) / (high - low);
      return 1 / ((1 - smooth) / factor + smooth);
    });
  for (const factor of [8, 32]) assert.equal(llama3ScalingOf(factors(factor), 64, 500_000)?.factor, factor);
  assert.equal(llama3ScalingOf(factors(8, 1, 8), 64, 500_000), undefined);
  assert.equal(llama3ScalingOf(factors(8), 64, 10_000), undefined);
  assert.equal(llama3ScalingOf(factors(8), 128, 500_000), undefined);
});

it('tensors are converted in chunks of rows: memory does not grow with the file', async () => {
  const large = path.join(home, 'large.gguf');
  const content = await contentOf('qwen3');
  // 60 million numbers that become 240 MB.
  const [rows, width] = [120_000, 512];
  const metadata: WrittenGguf['metadata'] = [
    ...content.metadata.filter(([key]) => !['qwen3.embedding_length', 'qwen3.block_count'].includes(key)),
    ['qwen3.embedding_length', width],
    ['qwen3.block_count', 1],
  ];
  const zeros = (dimensions: readonly number[], type: number, bytes: number): WrittenTensor => ({
    ...{ dimensions, type },
    bytes: new Uint8Array(bytes),
  });
  const tensors: [string, WrittenTensor][] = [
    ['token_embd.weight', zeros([width, rows], 8, (rows * width * 34) / 32)],
    ...content.tensors
      .filter(([name]) => name.startsWith('blk.0') || name === 'output_norm.weight')
      .map(([name, { dimensions }]): [string, WrittenTensor] => {
        // The width is the input dimension, except for the output projections of attention and feed-forward.
        const axis = /attn_output|ffn_down/.test(name) ? 1 : /[qk]_norm/.test(name) ? -1 : 0;
        const wide = dimensions.map((extent, index) => (index === axis ? width : extent));
        return [name, zeros(wide, 0, 4 * wide.reduce((product, extent) => product * extent, 1))];
      }),
  ];
  await writeGguf(large, { metadata, tensors });
  const script = path.join(import.meta.dirname, 'converting-memory.ts');
  const tsx = import.meta.resolve('tsx');
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', tsx, script, small('qwen3'), large]);
  const { converting } = JSON.parse(stdout) as { converting: number };
  const { size } = await stat(path.join(home, 'models', 'large', 'model.safetensors'));
  assert.ok(size > 240e6, `${size}`);
  assert.ok(converting < 64e6, `converting to ${size} bytes took ${converting}`);
});
