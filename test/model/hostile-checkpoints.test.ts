import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { openCheckpoint, readCheckpoint } from '../../src/model/checkpoint.ts';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { weightFiles } from '../../src/model/stored-weights.ts';
import { UserError } from '../../src/platform/errors.ts';
import { Random } from '../../src/platform/random.ts';

const references = path.join(import.meta.dirname, 'references');

let root: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-hostile-'));
});
after(() => rm(root, { recursive: true }));

let copies = 0;
/** A modified copy of a reference checkpoint. */
async function spoilt(layout: string, corrupt: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = path.join(root, `copy-${copies++}`);
  await cp(path.join(references, layout), folder, { recursive: true });
  await corrupt(folder);
  return folder;
}

type Json = Record<string, unknown>;
/** Rewrites a JSON file of a copy. */
const json = (layout: string, name: string, change: (content: Json) => unknown) =>
  spoilt(layout, async (folder) => {
    const file = path.join(folder, name);
    const content = JSON.parse(await readFile(file, 'utf8')) as Json;
    change(content);
    await writeFile(file, JSON.stringify(content));
  });
const config = (layout: string, fields: Json) =>
  json(layout, 'config.json', (content) => Object.assign(content, fields));

/** Asserts that reading fails with the message of a `UserError`. */
async function assertRejected(folder: string, why: RegExp): Promise<void> {
  await assert.rejects(resolveModel(folder).then(readCheckpoint), (error: Error) => {
    assert.equal(error.name, 'UserError', error.stack);
    assert.match(error.message, why);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}

const index = 'model.safetensors.index.json';
const first = 'model-00001-of-00002.safetensors';
const second = 'model-00002-of-00002.safetensors';
const mapOf = (content: Json) => content.weight_map as Record<string, string>;
/** Rewrites the tensors of a shard. */
const shard = (name: string, change: (tensors: Awaited<ReturnType<typeof readSafetensors>>) => unknown) =>
  spoilt('llada', async (folder) => {
    const tensors = await readSafetensors(path.join(folder, name));
    change(tensors);
    await writeSafetensors(path.join(folder, name), tensors, { floats: 'BF16' });
  });

describe('shards and their index', () => {
  it('are one checkpoint whose digest depends on every shard', async () => {
    const folder = path.join(references, 'llada');
    assert.deepEqual(
      (await weightFiles(folder)).map((file) => path.basename(file)),
      [first, second],
    );
    const other = await shard(second, (tensors) => {
      tensors.get('model.transformer.ln_f.weight')!.data[0]! += 1;
    });
    assert.notEqual(await (await resolveModel(folder)).digest(), await (await resolveModel(other)).digest());
  });

  it('are rejected if a shard is missing, empty or truncated', async () => {
    await assertRejected(
      await spoilt('llada', (folder) => rm(path.join(folder, second))),
      /names model-00002.* which is not there/,
    );
    await assertRejected(await spoilt('llada', (folder) => writeFile(path.join(folder, second), '')), /it has 0 bytes/);
    await assertRejected(
      await spoilt('llada', async (folder) => {
        const file = path.join(folder, second);
        await writeFile(file, (await readFile(file)).subarray(0, -2));
      }),
      /ends beyond the file/,
    );
  });

  it('are rejected if the index and the shards disagree', async () => {
    const norm = 'model.transformer.ln_f.weight';
    await assertRejected(
      await json('llada', index, (content) => delete mapOf(content)[norm]),
      /holds the tensor .*ln_f.*does not name/,
    );
    await assertRejected(
      await json('llada', index, (content) => {
        mapOf(content)[norm] = first;
      }),
      /says that model-00001.* holds the tensor .*ln_f.*which it does not/,
    );
    await assertRejected(
      await json('llada', index, (content) => {
        mapOf(content).more = first;
      }),
      /says that model-00001.* holds the tensor more, which it does not/,
    );
    const twice = await shard(first, (tensors) => tensors.set(norm, { shape: [32], data: new Float32Array(32) }));
    await assertRejected(twice, /holds the tensor .*ln_f.* that model-0000[12].* holds too/);
    await assertRejected(
      await shard(second, (tensors) => tensors.delete(norm)),
      /says that .* holds the tensor .*ln_f.*does not/,
    );
  });

  it('are rejected if the index is invalid', async () => {
    const write = (text: string) => spoilt('llada', (folder) => writeFile(path.join(folder, index), text));
    await assertRejected(await write('{'), /index of shards \(it is no valid JSON/);
    await assertRejected(await write('[]'), /no weight_map/);
    await assertRejected(await write('{"weight_map": {"a": 5}}'), /no weight_map/);
    await assertRejected(await write('{"weight_map": {}}'), /weight_map is empty/);
    await assertRejected(await write('{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}'), /has "a" twice/);
  });

  it('cannot lead out of the folder', async () => {
    for (const name of [
      '../x.safetensors',
      '/etc/x.safetensors',
      'a/x.safetensors',
      'C:x.safetensors',
      'a\\x.safetensors',
      '/etc/passwd',
      '..',
    ])
      await assertRejected(
        await json('llada', index, (content) => {
          for (const tensor of Object.keys(mapOf(content))) mapOf(content)[tensor] = name;
        }),
        /is not the name of a safetensors file in the same folder/,
      );
    const elsewhere = path.join(root, 'elsewhere.safetensors');
    const linked = await spoilt('llada', async (folder) => {
      await rename(path.join(folder, second), elsewhere);
      await symlink(elsewhere, path.join(folder, second));
    });
    await assertRejected(linked, /is a link to a place outside its folder/);
    const dangling = await spoilt('llada', async (folder) => {
      await rm(path.join(folder, second));
      await symlink(path.join(root, 'nowhere'), path.join(folder, second));
    });
    await assertRejected(dangling, /is a link to a place outside its folder/);
  });

  it('may be links into the store of a download cache', async () => {
    const repository = path.join(root, 'models--some--model');
    const snapshot = path.join(repository, 'snapshots', 'abc');
    await cp(path.join(references, 'llada'), snapshot, { recursive: true });
    await mkdir(path.join(repository, 'blobs'));
    await rename(path.join(snapshot, second), path.join(repository, 'blobs', '123'));
    await symlink('../../blobs/123', path.join(snapshot, second));
    const [there, here] = [
      await readCheckpoint(await resolveModel(snapshot)),
      await readCheckpoint(await resolveModel(path.join(references, 'llada'))),
    ];
    assert.deepEqual(there.weights, here.weights);
  });
});

describe('a published configuration', () => {
  const unsupported: readonly [layout: string, fields: Json, why: RegExp][] = [
    ['dream', { quantization_config: { bits: 4 } }, /quantization_config/],
    ['dream', { hidden_act: 'gelu' }, /hidden_act = "gelu"/],
    ['dream', { use_sliding_window: true }, /use_sliding_window/],
    ['dream', { rope_scaling: { rope_type: 'yarn', factor: 2 } }, /rope_scaling/],
    ['a2d-qwen3', { rope_parameters: { rope_type: 'linear', rope_theta: 1e6 } }, /rope_parameters/],
    ['a2d-qwen3', { layer_types: ['full_attention', 'sliding_attention'] }, /layer_types/],
    ['a2d-qwen3', { attention_bias: true }, /attention_bias/],
    ['llama', { mlp_bias: true }, /mlp_bias/],
    ['llama', { hidden_act: 'gelu' }, /hidden_act/],
    ['llama', { rope_scaling: { rope_type: 'yarn', factor: 4 } }, /rope_scaling = .*"yarn"/],
    ['llama', { rope_scaling: { type: 'dynamic', factor: 4 } }, /rope_scaling = .*"dynamic"/],
    ['llama', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /rope_scaling = .*"llama3"/],
    ['qwen3', { rope_parameters: { rope_type: 'linear', factor: 0, rope_theta: 1e6 } }, /rope_parameters/],
    ['qwen2', { use_sliding_window: true }, /use_sliding_window/],
    ['llada', { alibi: true }, /alibi/],
    ['llada', { rope: false }, /rope = false/],
    ['llada', { block_type: 'sequential' }, /block_type = "sequential"/],
    ['llada', { layer_norm_type: 'default' }, /layer_norm_type/],
    ['llada', { activation_type: 'swiglu' }, /activation_type/],
    ['llada', { block_type: null }, /lacks block_type, whose default is not supported/],
    ['llada', { multi_query_attention: true }, /multi_query_attention/],
    ['llada', { include_bias: true }, /include_bias/],
    ['llada', { scale_logits: true }, /scale_logits/],
    ['llada-moe', { clip_qkv: 8 }, /clip_qkv/],
    ['llada-moe', { moe_router_score_function: 'sigmoid' }, /moe_router_score_function/],
    ['llada-moe', { moe_router_enable_expert_bias: true }, /moe_router_enable_expert_bias/],
    ['llada-moe', { moe_layer_freq: [1, 0] }, /moe_layer_freq/],
    ['llada-moe', { moe_layer_freq: 1 }, /moe_layer_freq/],
    ['llada2-moe', { score_function: 'softmax' }, /score_function/],
    ['llada2-moe', { use_bias: true }, /use_bias/],
    ['llada2-moe', { norm_head: true }, /norm_head/],
  ];
  for (const [layout, fields, why] of unsupported)
    it(`of ${layout} with ${JSON.stringify(fields)} is rejected with the field's name`, async () => {
      await assertRejected(await config(layout, fields), why);
    });

  const wrong: readonly [layout: string, fields: Json, why: RegExp][] = [
    ['dream', { hidden_size: null }, /hidden_size is missing/],
    ['dream', { hidden_size: '32' }, /hidden_size is "32"/],
    ['dream', { num_hidden_layers: -1 }, /num_hidden_layers is -1/],
    ['dream', { num_attention_heads: 3 }, /head_dim is 10\.6\d*, but it must be a positive whole number/],
    ['dream', { rope_theta: 0 }, /rope_theta is 0/],
    ['dream', { tie_word_embeddings: 'yes' }, /tie_word_embeddings is "yes"/],
    ['dream', { mask_token_id: 1e6 }, /below vocab_size/],
    ['dream', { mask_token_id: -1 }, /mask_token_id is -1/],
    ['dream', { eos_token_id: [-1, 1] }, /eos_token_id is \[-1,1\], but it must be a token's id/],
    ['dream', { attention: 'sliding' }, /attention must be full/],
    ['qwen3', { attention: 'full' }, /Neither .* nor another file of its folder names a mask token/],
    ['qwen3', { eos_token_id: null, attention_bias: true }, /lacks the tensor .*bias/],
    ['dream', { attention: 'block-causal' }, /needs a block_size/],
    ['llada2-moe', { n_group: 5 }, /num_experts must be a multiple of n_group/],
    ['llada2-moe', { topk_group: 5 }, /topk_group/],
    ['llada2-moe', { num_experts_per_tok: 7 }, /num_experts_per_tok must be at most/],
    ['llada2-moe', { partial_rotary_factor: 2 }, /partial_rotary_factor must be at most 1/],
    ['llada2-moe', { first_k_dense_replace: 'none' }, /first_k_dense_replace is "none"/],
    ['llada2-moe', { num_experts: 16 }, /lacks the tensor .*experts\.12\.|gate\.weight is \[12,32\]/],
    ['llada', { n_kv_heads: 2 }, /k_proj\.weight is \[32,32\], but config\.json requires \[16,32\]/],
    ['open-dcoder', { tie_word_embeddings: false }, /lacks the tensor lm_head\.weight/],
    ['open-dcoder', { model_type: 'gpt2' }, /model_type "gpt2" is not supported; known are unmask, a2d-qwen2/],
  ];
  for (const [layout, fields, why] of wrong)
    it(`of ${layout} with ${JSON.stringify(fields)} is rejected`, async () =>
      assertRejected(await config(layout, fields), why));

  it('may override shift, attention and block of its family', async () => {
    const folder = await config('dream', { logit_shift: false, attention: 'block-causal', block_size: 8 });
    const { config: read } = await openCheckpoint(await resolveModel(folder));
    assert.deepEqual([read.logit_shift, read.attention, read.block_size], [false, 'block-causal', 8]);
  });

  it('is LLaDA-MoE also under the name of LLaDA', async () => {
    const { config: read } = await openCheckpoint(
      await resolveModel(await config('llada-moe', { model_type: 'llada' })),
    );
    assert.equal(read.moe?.num_experts, 8);
  });

  it('is preserved when it is written again', async () => {
    const { config: read } = await openCheckpoint(await resolveModel(path.join(references, 'llada')));
    assert.equal((read.published_config as Json).d_model, 32);
    assert.equal(read.model_type, 'unmask');
  });
});

describe('special tokens', () => {
  it('are rejected if no file names them, with instructions', async () => {
    const nameless = await json('a2d-qwen2', 'tokenizer_config.json', (content) => delete content.mask_token);
    await assertRejected(nameless, /names a mask token.*Add its id as mask_token_id to config\.json/);
    const named = JSON.parse(await readFile(path.join(nameless, 'config.json'), 'utf8'));
    await writeFile(path.join(nameless, 'config.json'), JSON.stringify({ ...named, mask_token_id: 3 }));
    assert.equal((await openCheckpoint(await resolveModel(nameless))).config.mask_token_id, 3);
    const endless = await json('llada2-moe', 'tokenizer_config.json', (content) => delete content.eos_token);
    await assertRejected(endless, /names an end-of-text token.*eos_token_id/);
  });

  it('are rejected if a named one has no id', async () => {
    const folder = await json('open-dcoder', 'tokenizer_config.json', (content) => {
      content.mask_token = '[MASK]';
    });
    await assertRejected(folder, /names "\[MASK\]" as its mask token, for which no file has an id/);
  });

  it('have the id from any of the files', async () => {
    const folder = await json('open-dcoder', 'tokenizer_config.json', (content) => {
      delete content.added_tokens_decoder;
    });
    assert.equal((await openCheckpoint(await resolveModel(folder))).config.mask_token_id, 3);
    const letter = await json('open-dcoder', 'tokenizer_config.json', (content) => {
      content.mask_token = 'a';
    });
    assert.equal((await openCheckpoint(await resolveModel(letter))).config.mask_token_id, 69);
  });
});

describe('a stored head that equals the embeddings', () => {
  it('is rejected if it differs from them, with instructions', async () => {
    const other = await spoilt('a2d-qwen2', async (folder) => {
      const file = path.join(folder, second);
      const tensors = await readSafetensors(file);
      tensors.get('lm_head.weight')!.data[40]! += 1;
      await writeSafetensors(file, tensors);
    });
    await assertRejected(other, /lm_head\.weight that is not the embeddings.*set tie_word_embeddings to false/);
    const untied = JSON.parse(await readFile(path.join(other, 'config.json'), 'utf8'));
    await writeFile(path.join(other, 'config.json'), JSON.stringify({ ...untied, tie_word_embeddings: false }));
    assert.ok((await readCheckpoint(await resolveModel(other))).weights.has('lm_head.weight'));
  });
});

describe('a reader of mutated files', () => {
  /** One mutation of a file: changed bytes, truncation, a duplicated piece, changed digits in the header. */
  function mutated(bytes: Buffer, random: Random): Buffer {
    const header = 8 + Number(bytes.readBigUInt64LE());
    const copy = Buffer.from(bytes);
    const position = () => (random.integer(4) === 0 ? random.integer(copy.length) : random.integer(header));
    switch (random.integer(6)) {
      case 0:
        copy[position()] = random.integer(256);
        return copy;
      case 1:
        return copy.subarray(0, random.integer(copy.length));
      case 2:
        copy.writeBigUInt64LE(BigInt(random.integer(2 ** 31)) << BigInt(random.integer(33)), 0);
        return copy;
      case 3: {
        const [from, to] = [position(), position()];
        copy.copy(copy, to, from, Math.min(copy.length, from + random.integer(64)));
        return copy;
      }
      case 4: {
        const text = copy.toString('latin1', 8, header);
        const digits = [...text.matchAll(/\d+/g)];
        const { index: at, 0: old } = random.pick(digits);
        const other = random.pick([
          '0',
          '-1',
          '1e300',
          '99999999999999999999',
          '9007199254740991',
          String(random.integer(100)),
        ]);
        const changed = Buffer.from(text.slice(0, at) + other + text.slice(at + old.length), 'latin1');
        const length = Buffer.alloc(8);
        length.writeBigUInt64LE(BigInt(changed.length));
        return Buffer.concat([length, changed, copy.subarray(header)]);
      }
      default:
        return Buffer.concat([copy, Buffer.alloc(1 + random.integer(16))]);
    }
  }

  it('returns tensors of the stated sizes or an error message, and never allocates more memory than the file has bytes', async () => {
    const random = new Random(7, 'mutations');
    const file = path.join(root, 'mutated.safetensors');
    const whole = await readFile(path.join(references, 'llada', second));
    let read = 0;
    for (let round = 0; round < 1500; round++) {
      const bytes = mutated(whole, random);
      await writeFile(file, bytes);
      const before = process.memoryUsage().arrayBuffers;
      try {
        const tensors = await readSafetensors(file);
        for (const { shape, data } of tensors.values())
          assert.equal(
            data.length,
            shape.reduce((a, b) => a * b, 1),
          );
        read++;
      } catch (error) {
        assert.ok(error instanceof UserError, `round ${round}: ${(error as Error).stack}`);
        assert.doesNotMatch(error.message, /\n/);
      }
      const grown = process.memoryUsage().arrayBuffers - before;
      assert.ok(grown < 8 * whole.length + 2 ** 22, `round ${round} took ${grown} bytes`);
    }
    assert.ok(read > 50 && read < 1450, `${read} of 1500 could be read`);
  });
});

describe('a reader of mutated JSON files', () => {
  const odd: readonly unknown[] = [
    null,
    [],
    {},
    -1,
    0,
    0.5,
    1e300,
    2 ** 53,
    2 ** 31,
    '',
    'x',
    true,
    false,
    [null],
    { a: null },
  ];

  /** Replaces one value, at any depth, by an unusual one. */
  function mutated(value: unknown, random: Random): unknown {
    if (typeof value !== 'object' || value === null || random.integer(8) === 0) return random.pick(odd);
    const keys = Object.keys(value);
    if (keys.length === 0) return random.pick(odd);
    const key = random.pick(keys);
    const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
    if (random.integer(10) === 0) delete copy[key];
    else copy[key] = mutated(copy[key], random);
    return copy;
  }

  it('opens the checkpoint or reports why not', async () => {
    const random = new Random(11, 'mutated JSON');
    let opened = 0;
    const files = [
      'config.json',
      'tokenizer_config.json',
      'tokenizer.json',
      index,
      'special_tokens_map.json',
      'vocab.json',
    ];
    for (const layout of ['llada2-moe', 'dream', 'llada-moe', 'a2d-qwen3']) {
      const folder = await spoilt(layout, async () => undefined);
      for (const name of files.filter((file) => existsSync(path.join(folder, file)))) {
        const file = path.join(folder, name);
        const text = await readFile(file, 'utf8');
        for (let round = 0; round < 40; round++) {
          await writeFile(file, JSON.stringify(mutated(JSON.parse(text), random)));
          try {
            await openCheckpoint(await resolveModel(folder));
            opened++;
          } catch (error) {
            const said = `${layout} ${name}: ${await readFile(file, 'utf8')}`.slice(0, 2000);
            assert.ok(error instanceof UserError, `${(error as Error).stack}\n${said}`);
          }
        }
        await writeFile(file, text);
      }
    }
    assert.ok(opened > 50, `${opened} could be opened`);
  });
});
