import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { readCheckpoint, writeCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { characterTokenizer } from '../../src/model/tokenizer.ts';
import { everyOption, oneThread, tinyCheckpoint, writeTinyCheckpoint } from './tiny-model.ts';

let root: string;
let whole: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-checkpoint-'));
  whole = await writeTinyCheckpoint(path.join(root, 'whole'), everyOption);
});
after(() => rm(root, { recursive: true }));

let copies = 0;
/** A copy of a valid checkpoint, modified by `spoil`. */
async function spoilt(corrupt: (folder: string) => Promise<void>): Promise<string> {
  const folder = path.join(root, `copy-${copies++}`);
  await cp(whole, folder, { recursive: true });
  await corrupt(folder);
  return folder;
}

/** Rewrites the weights of a copy. */
const weights = (change: (tensors: Awaited<ReturnType<typeof readSafetensors>>) => void) =>
  spoilt(async (folder) => {
    const file = path.join(folder, 'model.safetensors');
    const tensors = await readSafetensors(file);
    change(tensors);
    await writeSafetensors(file, tensors);
  });

/** Rewrites one JSON file of a copy. */
const json = (name: string, change: (content: Record<string, unknown>) => void) =>
  spoilt(async (folder) => {
    const file = path.join(folder, name);
    const content = JSON.parse(await readFile(file, 'utf8'));
    change(content);
    await writeFile(file, JSON.stringify(content));
  });

/** Asserts that reading fails with a message that names `file` and matches `why`. */
async function assertRejected(folder: string, file: string, why: RegExp): Promise<void> {
  await assert.rejects(resolveModel(folder).then(readCheckpoint), (error: Error) => {
    assert.equal(error.name, 'UserError', error.stack);
    assert.ok(error.message.includes(path.join(folder, file)), error.message);
    assert.match(error.message, why);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

describe('a checkpoint', () => {
  it('is read back as it was written, and a loaded model writes the same files', async () => {
    const written = tinyCheckpoint(everyOption);
    const read = await readCheckpoint(await resolveModel(whole));
    assert.deepEqual(read.config, written.config);
    assert.deepEqual(read.weights, written.weights);
    assert.deepEqual(read.generation, written.generation);
    assert.deepEqual(read.tokenizer.encode('1+2'), written.tokenizer.encode('1+2'));
    const model = await LanguageModel.load(oneThread(), read);
    await model.save(path.join(root, 'again'));
    await model.dispose();
    const names = (await readdir(whole)).sort();
    assert.deepEqual(names, [
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    assert.deepEqual((await readCheckpoint(await resolveModel(path.join(root, 'again')))).config, written.config);
    for (const name of names.slice(1))
      assert.deepEqual(await readFile(path.join(root, 'again', name)), await readFile(path.join(whole, name)), name);
  });

  it('has half the size if its numbers are rounded to bfloat16', async () => {
    const folder = path.join(root, 'rounded');
    const checkpoint = tinyCheckpoint(everyOption);
    await writeCheckpoint(folder, checkpoint, { floats: 'BF16' });
    const sizes = [folder, whole].map(async (at) => (await stat(path.join(at, 'model.safetensors'))).size);
    const [half, full] = (await Promise.all(sizes)) as [number, number];
    const count = [...checkpoint.weights.values()].reduce((sum, { data }) => sum + data.length, 0);
    // The file also contains some names.
    assert.ok(Math.abs(full - half - 2 * count) < 64, `${full} and ${half} bytes for ${count} numbers`);
    for (const [name, { data }] of (await readCheckpoint(await resolveModel(folder))).weights)
      for (const [index, value] of data.entries()) {
        const exact = checkpoint.weights.get(name)!.data[index] as number;
        assert.ok(Math.abs(value - exact) <= Math.abs(exact) / 256, `${name}: ${value} for ${exact}`);
      }
  });

  it('keeps unknown configuration fields', async () => {
    const folder = path.join(root, 'extra');
    const checkpoint = tinyCheckpoint();
    await writeCheckpoint(folder, { ...checkpoint, config: { ...checkpoint.config, bos_token_id: 1 } });
    assert.equal((await readCheckpoint(await resolveModel(folder))).config.bos_token_id, 1);
  });

  it("uses the papers' defaults without a generation_config.json", async () => {
    const folder = await spoilt((copy) => rm(path.join(copy, 'generation_config.json')));
    const { generation } = await readCheckpoint(await resolveModel(folder));
    assert.deepEqual(
      generation,
      { prompt_format: 'tagged', block_length: 3, tokens_per_step: 2 },
      "the model's blocks",
    );
    const config = JSON.parse(await readFile(path.join(folder, 'config.json'), 'utf8'));
    await writeFile(path.join(folder, 'config.json'), JSON.stringify({ ...config, attention: 'full' }));
    assert.equal((await readCheckpoint(await resolveModel(folder))).generation.block_length, 32);
  });
});

describe('an invalid checkpoint folder is rejected', () => {
  it('if it does not exist or is a file', async () => {
    await assertRejected(path.join(root, 'nowhere'), '', /There is no model .*nowhere/);
    await assertRejected(path.join(whole, 'config.json'), '', /is not a model/);
  });

  it('if config.json is missing', async () => {
    const folder = await spoilt((copy) => rm(path.join(copy, 'config.json')));
    await assertRejected(folder, '', /holds no config\.json, so it is not a model/);
  });

  for (const name of ['model.safetensors', 'tokenizer.json', 'tokenizer_config.json'])
    it(`if ${name} is missing`, async () => {
      await assertRejected(await spoilt((folder) => rm(path.join(folder, name))), name, /does not exist/);
    });

  for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
    it(`if ${name} is truncated`, async () => {
      const folder = await spoilt(async (copy) => {
        const file = path.join(copy, name);
        await writeFile(file, (await readFile(file)).subarray(0, 20));
      });
      await assertRejected(folder, name, /not valid JSON/);
    });

  it('if model.safetensors is truncated or has another format', async () => {
    const file = 'model.safetensors';
    const cut = await spoilt(async (folder) => {
      const bytes = await readFile(path.join(folder, file));
      await writeFile(path.join(folder, file), bytes.subarray(0, bytes.length - 100));
    });
    await assertRejected(cut, file, /not a whole safetensors file/);
    const pickle = await spoilt((folder) =>
      writeFile(path.join(folder, file), 'PK\u0003\u0004 a zip archive of PyTorch'),
    );
    await assertRejected(pickle, file, /not a whole safetensors file/);
  });

  it('if a tensor is missing, foreign, of another shape or not finite', async () => {
    const name = 'model.layers.0.self_attn.q_norm.weight';
    const file = 'model.safetensors';
    await assertRejected(
      await weights((all) => all.delete(name)),
      file,
      /lacks the tensor model\.layers\.0\.self_attn\.q_norm/,
    );
    const foreign = await weights((all) => all.set('model.layers.9.bias', { shape: [1], data: Float32Array.of(1) }));
    await assertRejected(foreign, file, /holds the tensor model\.layers\.9\.bias/);
    const reshaped = await weights((all) => all.set(name, { shape: [2, 2], data: new Float32Array(4) }));
    await assertRejected(reshaped, file, /q_norm\.weight is \[2,2\], but config\.json requires \[4\]/);
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY])
      await assertRejected(
        await weights((all) => all.get(name)!.data.fill(bad, 2, 3)),
        file,
        /q_norm\.weight .* not finite/,
      );
    const whole = await weights((all) => all.set(name, { shape: [4], data: new Int32Array(4) }));
    await assertRejected(whole, file, /q_norm\.weight holds whole numbers/);
  });

  it("if config.json has another kind of model or contradicts itself, with the field's name", async () => {
    const file = 'config.json';
    const changed = (change: (config: Record<string, unknown>) => void) => json(file, change);
    const set = (values: Record<string, unknown>) => changed((config) => Object.assign(config, values));
    await assertRejected(await set({ model_type: 'mamba' }), file, /model_type "mamba" is not supported/);
    await assertRejected(await set({ hidden_size: 0 }), file, /hidden_size must be /);
    await assertRejected(
      await set({ num_hidden_layers: 1.5 }),
      file,
      /num_hidden_layers must be a whole number, not 1\.5/,
    );
    await assertRejected(await set({ rms_norm_eps: 'small' }), file, /rms_norm_eps must be a number, not "small"/);
    await assertRejected(await set({ attention: 'sideways' }), file, /attention must be .*, not "sideways"/);
    await assertRejected(
      await changed((config) => delete config.qk_norm),
      file,
      /qk_norm is missing; it must be true or false/,
    );
    await assertRejected(
      await changed((config) => delete config.block_size),
      file,
      /block-causal attention needs a block_size/,
    );
    await assertRejected(await set({ num_key_value_heads: 3 }), file, /num_attention_heads must be a multiple/);
    await assertRejected(await set({ head_dim: 3 }), file, /head_dim must be even/);
    await assertRejected(await set({ mask_token_id: 10_000 }), file, /below vocab_size/);
  });

  it('if the tokenizer belongs to another model or is invalid', async () => {
    const foreign = await json('tokenizer.json', (content) => {
      Object.assign(content, characterTokenizer('0123456789,=:+-*/()abcdefghijkl').tokenizer);
    });
    await assertRejected(foreign, 'tokenizer.json', /ids up to 34, but config\.json has a vocabulary of 23/);
    const unknown = await json('tokenizer.json', (content) => Object.assign(content, { model: { type: 'Foreign' } }));
    await assertRejected(unknown, 'tokenizer.json', /not a tokenizer that can be used/);
    for (const content of ['null', '[]', '5', '{}'])
      await assertRejected(
        await spoilt((folder) => writeFile(path.join(folder, 'tokenizer.json'), content)),
        'tokenizer.json',
        /not a tokenizer that can be used/,
      );
  });

  it("if generation_config.json is invalid, with the field's name", async () => {
    const folder = await json('generation_config.json', (content) => Object.assign(content, { block_length: -1 }));
    await assertRejected(folder, 'generation_config.json', /block_length (must|is missing)/);
    const list = await spoilt((copy) => writeFile(path.join(copy, 'generation_config.json'), '[]'));
    await assertRejected(list, 'generation_config.json', /the file must be an object/);
  });
});
