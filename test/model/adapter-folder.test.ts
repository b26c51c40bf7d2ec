import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { findModel } from '../../src/catalogue/find-model.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { readCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { readJson, writeJson } from '../../src/platform/files.ts';
import { adapted } from './tiny-adapter.ts';
import { oneThread, tinyCheckpoint, writeTinyCheckpoint } from './tiny-model.ts';

let root: string;
let base: string;
let whole: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-adapter-'));
  base = await writeTinyCheckpoint(path.join(root, 'base'), { num_key_value_heads: 1 });
  whole = path.join(root, 'whole');
  await writeAdapter(whole, await tinyAdapter());
});
after(() => rm(root, { recursive: true }));

async function tinyAdapter(changes: Parameters<typeof adapted>[1] = {}) {
  const { adapter } = adapted(tinyCheckpoint({ num_key_value_heads: 1 }), { base, ...changes });
  return { ...adapter, base: { ...adapter.base, digest: await (await resolveModel(base)).digest() } };
}

/** A copy of the adapter with changes. */
async function changed(change: (folder: string) => Promise<unknown>): Promise<string> {
  const folder = await mkdtemp(path.join(root, 'changed-'));
  await cp(whole, folder, { recursive: true });
  await change(folder);
  return folder;
}

const withConfig = (fields: object) =>
  changed(async (folder) => {
    const file = path.join(folder, 'adapter_config.json');
    await writeJson(file, { ...((await readJson(file)) as object), ...fields });
  });

const withTensors = (change: (tensors: Awaited<ReturnType<typeof readSafetensors>>) => unknown) =>
  changed(async (folder) => {
    const file = path.join(folder, 'adapter_model.safetensors');
    const tensors = await readSafetensors(file);
    change(tensors);
    await writeSafetensors(file, tensors);
  });

describe("an adapter's folder", () => {
  it('may have trained tokens, as PEFT names and lists them', async () => {
    const folder = path.join(root, 'tokens');
    const adapter = await tinyAdapter();
    const rows = { shape: [2, 8], data: Float32Array.from({ length: 16 }, (_, i) => i / 8) };
    const name = 'model.embed_tokens.token_adapter.trainable_tokens_delta';
    await writeAdapter(folder, { ...adapter, tokens: [2, 5], weights: new Map([...adapter.weights, [name, rows]]) });
    const { trainable_token_indices } = (await readJson(path.join(folder, 'adapter_config.json'))) as Record<
      string,
      unknown
    >;
    assert.deepEqual(trainable_token_indices, { embed_tokens: [2, 5] });
    assert.ok((await readSafetensors(path.join(folder, 'adapter_model.safetensors'))).has(`base_model.model.${name}`));
    const read = await readCheckpoint(await resolveModel(folder));
    assert.deepEqual([read.adapter!.tokens, read.adapter!.weights.get(name)], [[2, 5], rows]);

    const listed = async (indices: unknown) => resolveModel(await withConfig({ trainable_token_indices: indices }));
    assert.deepEqual((await listed([3])).adapter!.tokens, [3]);
    await assert.rejects(async () => readCheckpoint(await listed([3])), /lacks the tensor .*trainable_tokens_delta/);
    await assert.rejects(listed([3, 3]), /has a token twice/);
    await assert.rejects(listed({ embed_tokens: [1], lm_head: [2] }), /different tokens per matrix/);
    await assert.rejects(listed({ q_proj: [1] }), /names q_proj; only tokens of embed_tokens and lm_head/);
  });

  it("has PEFT's files, names and shapes", async () => {
    const folder = path.join(root, 'layout');
    await writeAdapter(folder, await tinyAdapter({ rank: 2, alpha: 1, targets: ['q_proj', 'k_proj', 'down_proj'] }));
    assert.deepEqual((await readdir(folder)).sort(), [
      'adapter_config.json',
      'adapter_model.safetensors',
      'base_model.json',
    ]);
    const tensors = await readSafetensors(path.join(folder, 'adapter_model.safetensors'));
    const layer = 'base_model.model.model.layers.0';
    assert.deepEqual(Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape])), {
      [`${layer}.self_attn.q_proj.lora_A.weight`]: [2, 8],
      [`${layer}.self_attn.q_proj.lora_B.weight`]: [8, 2],
      [`${layer}.self_attn.k_proj.lora_A.weight`]: [2, 8],
      [`${layer}.self_attn.k_proj.lora_B.weight`]: [4, 2],
      [`${layer}.mlp.down_proj.lora_A.weight`]: [2, 12],
      [`${layer}.mlp.down_proj.lora_B.weight`]: [8, 2],
    });
    assert.deepEqual(await readJson(path.join(folder, 'adapter_config.json')), {
      alpha_pattern: {},
      auto_mapping: null,
      base_model_name_or_path: base,
      bias: 'none',
      fan_in_fan_out: false,
      inference_mode: true,
      init_lora_weights: true,
      layers_pattern: null,
      layers_to_transform: null,
      lora_alpha: 1,
      lora_dropout: 0,
      modules_to_save: null,
      peft_type: 'LORA',
      r: 2,
      rank_pattern: {},
      revision: null,
      target_modules: ['q_proj', 'k_proj', 'down_proj'],
      task_type: 'CAUSAL_LM',
      use_dora: false,
      use_rslora: false,
    });
  });

  it('is read back with its base as it was written, and a loaded model writes the same files', async () => {
    const adapter = await tinyAdapter();
    assert.equal(await findModel(whole), whole);
    assert.equal((await resolveModel(whole)).base, base);
    const read = await readCheckpoint(await resolveModel(whole));
    assert.deepEqual(read.adapter, adapter);
    assert.deepEqual(read.weights, (await readCheckpoint(await resolveModel(base))).weights);
    const model = await LanguageModel.load(oneThread(), read);
    const again = path.join(root, 'again');
    await model.save(again);
    await model.dispose();
    for (const name of await readdir(whole))
      assert.deepEqual(await readFile(path.join(again, name)), await readFile(path.join(whole, name)), name);
    assert.equal(await (await resolveModel(again)).digest(), await (await resolveModel(whole)).digest());
    const other = await withTensors((tensors) => tensors.values().next().value!.data.fill(1));
    assert.notEqual(await (await resolveModel(other)).digest(), await (await resolveModel(whole)).digest());
    const { digest } = adapter.base;
    assert.deepEqual(await readJson(path.join(whole, 'base_model.json')), { digest, precision: 'f32' });
  });

  it("written by PEFT is read, with fields for training only and without the base's digest", async () => {
    const foreign = await withConfig({
      lora_dropout: 0.05,
      init_lora_weights: 'gaussian',
      target_modules: 'all-linear',
      loftq_config: {},
      megatron_core: 'megatron.core',
      lora_bias: false,
    });
    await rm(path.join(foreign, 'base_model.json'));
    const { adapter } = await readCheckpoint(await resolveModel(foreign));
    assert.deepEqual(adapter, { ...(await tinyAdapter()), base: { name: base, digest: null, precision: 'f32' } });
  });
});

describe('an adapter is rejected', () => {
  const assertRejected = async (folder: string, message: RegExp) =>
    assert.rejects(resolveModel(folder).then(readCheckpoint), (error: Error) => {
      assert.equal(error.name, 'UserError');
      assert.match(error.message, message);
      assert.ok(!error.message.includes('\n'));
      return true;
    });

  for (const [fields, message] of [
    [{ peft_type: 'IA3' }, /peft_type "IA3" is not supported/],
    [{ use_dora: true }, /use_dora = true \(DoRA\) is not supported/],
    [{ alpha_pattern: { q_proj: 0 } }, /alpha_pattern\.q_proj must be above 0, not 0/],
    [{ bias: 'all' }, /bias = "all" .* is not supported/],
    [{ modules_to_save: ['lm_head'] }, /modules_to_save = \["lm_head"\] .* is not supported/],
    [{ rank_pattern: { q_proj: 1.5 } }, /rank_pattern\.q_proj must be a whole number, not 1\.5/],
    [{ kasa_config: { beta: 0.1 } }, /kasa_config = .* \(KaSA\) is not supported/],
    [{ layer_replication: [[0, 1]] }, /layer_replication = .* is not supported/],
    [{ target_parameters: ['mlp.experts.gate_up_proj'] }, /target_parameters = .* is not supported/],
    [{ fan_in_fan_out: true }, /fan_in_fan_out/],
    [{ init_lora_weights: 'pissa' }, /init_lora_weights = "pissa"/],
    [{ target_modules: ['q_proj', 'lm_head'] }, /target_modules: there is no projection lm_head; .* q_proj, k_proj/],
    [{ target_modules: [] }, /no projection is named/],
    [{ r: 0 }, /r must be above 0, not 0/],
    [{ lora_alpha: 0 }, /lora_alpha must be above 0, not 0/],
    [{ r: 4 }, /q_proj\.lora_A\.weight is \[3,8\], but .* require \[4,8\]/],
    [{ base_model_name_or_path: null }, /does not name its base/],
    [
      { base_model_name_or_path: 'no-such-model' },
      /The base of the adapter in .* was not found: There is no model no-such/,
    ],
  ] as const)
    it(`with ${JSON.stringify(fields)}`, async () => assertRejected(await withConfig(fields), message));

  it('does not happen for names and scales as PEFT and published adapters of LLaDA write them', async () => {
    const { adapter: plain } = await readCheckpoint(await resolveModel(whole));
    const weightsOf = async (folder: string) => (await readCheckpoint(await resolveModel(folder))).adapter!;
    const renamed = await withTensors((tensors) => {
      for (const [name, tensor] of [...tensors]) {
        tensors.delete(name);
        tensors.set(name.replace(/(lora_[AB])\.weight/, '$1.default.weight'), tensor);
      }
    });
    assert.deepEqual((await weightsOf(renamed)).weights, plain!.weights);
    assert.deepEqual((await weightsOf(await withConfig({ target_modules: '.*_proj' }))).targets, plain!.targets);
    // Rank-stabilised scaling divides by the square root of the rank.
    const { alpha, rank } = await weightsOf(await withConfig({ use_rslora: true }));
    assert.ok(Math.abs(alpha / rank - plain!.alpha / Math.sqrt(plain!.rank)) < 1e-9);
    // LLaDA's blocks have q, k, v and up under these names only, so the other listed names hold nothing.
    const llada = path.join(root, 'llada');
    await writeAdapter(llada, await tinyAdapter({ targets: ['q_proj', 'k_proj', 'v_proj', 'up_proj'] }));
    const file = path.join(llada, 'adapter_model.safetensors');
    const tensors = new Map(
      [...(await readSafetensors(file))].map(([name, tensor]) => [
        name.replace(/model\.layers\.(\d+)\.(?:self_attn|mlp)\./, 'model.transformer.blocks.$1.'),
        tensor,
      ]),
    );
    await writeSafetensors(file, tensors);
    const config = path.join(llada, 'adapter_config.json');
    const listed = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'up_proj', 'down_proj', 'gate_proj'];
    await writeJson(config, { ...((await readJson(config)) as object), target_modules: listed });
    const warned: string[] = [];
    const warn = (warning: Error) => warned.push(warning.message);
    process.on('warning', warn);
    const published = await weightsOf(llada);
    await new Promise(setImmediate);
    process.off('warning', warn);
    assert.deepEqual(published.targets, ['q_proj', 'k_proj', 'v_proj', 'up_proj']);
    assert.ok([...published.weights.keys()].every((name) => name.startsWith('model.layers.')));
    assert.match(warned[0]!, /lists o_proj, down_proj, gate_proj, but the adapter holds nothing for them/);
  });

  it('if a tensor is missing, foreign or not finite', async () => {
    const name = 'base_model.model.model.layers.0.mlp.up_proj.lora_B.weight';
    await assertRejected(await withTensors((tensors) => tensors.delete(name)), /lacks the tensor .*up_proj\.lora_B/);
    await assertRejected(
      await withTensors((tensors) => tensors.set('model.norm.weight', { shape: [1], data: new Float32Array(1) })),
      /has the tensor model\.norm\.weight, which belongs to none of the projections/,
    );
    await assertRejected(await withTensors((tensors) => tensors.get(name)!.data.fill(Number.NaN)), /not finite/);
  });

  it('if its base has other weights than those it was trained on', async () => {
    const other = await writeTinyCheckpoint(path.join(root, 'other'), { num_key_value_heads: 1 }, 2);
    await assertRejected(
      await withConfig({ base_model_name_or_path: other }),
      /trained on other weights than those in .*other/,
    );
  });

  it('if its base is an adapter itself, or has another shape', async () => {
    await assertRejected(
      await withConfig({ base_model_name_or_path: whole }),
      /which is an adapter too; merge that one first/,
    );
    const wide = await writeTinyCheckpoint(path.join(root, 'wide'), { num_key_value_heads: 2 });
    await assertRejected(
      await withConfig({ base_model_name_or_path: wide }),
      /k_proj\.lora_B\.weight is \[4,3\], but .* \[8,3\]/,
    );
  });

  it('if its files are not JSON or safetensors', async () => {
    await assertRejected(
      await changed((folder) => writeFile(path.join(folder, 'adapter_config.json'), '{')),
      /valid JSON/,
    );
    await assertRejected(
      await changed((folder) => rm(path.join(folder, 'adapter_model.safetensors'))),
      /does not exist/,
    );
    await assertRejected(
      await changed((folder) => writeJson(path.join(folder, 'base_model.json'), [])),
      /base_model\.json/,
    );
    await assertRejected(
      await changed((folder) => writeJson(path.join(folder, 'base_model.json'), { digest: null, precision: 'int2' })),
      /base_model\.json: precision must be /,
    );
  });
});
