import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import type { HostTensor } from '../../src/graph/tensor.ts';
import { readAdapter, readAdapterConfig } from '../../src/model/adapter-folder.ts';
import { scaleOf } from '../../src/model/adapter-patterns.ts';
import { openCheckpoint, readCheckpoint, writeCheckpoint } from '../../src/model/checkpoint.ts';
import { exportAdapter } from '../../src/model/export-adapter.ts';
import { exportModel, publishedFamily } from '../../src/model/export-model.ts';
import { factorA, factorB, loraTargets } from '../../src/model/lora.ts';
import { readSafetensors, writeSafetensors } from '../../src/model/safetensors.ts';
import { adapted } from './tiny-adapter.ts';
import { tinyCheckpoint } from './tiny-model.ts';

const references = path.join(import.meta.dirname, 'references');
let root: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-export-'));
});
after(() => rm(root, { recursive: true }));

const layout = (name: string) => path.join(references, name);
const read = async (folder: string) => readCheckpoint(await resolveModel(folder));

/** Type, shape and bytes of every tensor in the safetensors files of a folder. */
async function tensorsIn(folder: string): Promise<Map<string, { type: string; shape: string; bytes: string }>> {
  const tensors = new Map<string, { type: string; shape: string; bytes: string }>();
  for (const name of (await readdir(folder)).filter((file) => file.endsWith('.safetensors'))) {
    const content = await readFile(path.join(folder, name));
    const data = 8 + Number(content.readBigUInt64LE(0));
    const header = JSON.parse(content.subarray(8, data).toString()) as Record<
      string,
      { dtype: string; shape: number[]; data_offsets: [number, number] }
    >;
    for (const [tensor, { dtype, shape, data_offsets: place }] of Object.entries(header))
      if (tensor !== '__metadata__')
        tensors.set(tensor, {
          type: dtype,
          shape: String(shape),
          bytes: content.subarray(data + place[0], data + place[1]).toString('base64'),
        });
  }
  return tensors;
}

/** A model as a tuning run leaves it, in our own layout, and its export. */
async function roundTrip(name: string, change: (weights: Map<string, { data: unknown }>) => void = () => undefined) {
  const [own, exported] = [path.join(root, `${name}-own`), path.join(root, `${name}-exported`)];
  for (const folder of [own, exported]) await rm(folder, { recursive: true, force: true });
  const checkpoint = await read(layout(name));
  change(checkpoint.weights);
  await writeCheckpoint(own, checkpoint);
  const written = await exportModel(exported, await openCheckpoint(await resolveModel(own)), 'auto');
  return { own, exported, written };
}

/** Tensors of the authors' classes, for layer 0 of a model and outside of layers, with types as published. */
const published: Readonly<Record<string, readonly string[]>> = {
  // modeling_llada.py: LLaDAModelLM
  llada: [
    'model.transformer.wte.weight',
    'model.transformer.ln_f.weight',
    'model.transformer.ff_out.weight',
    ...['attn_norm', 'q_proj', 'k_proj', 'v_proj', 'attn_out', 'ff_norm', 'ff_proj', 'up_proj', 'ff_out'].map(
      (part) => `model.transformer.blocks.0.${part}.weight`,
    ),
  ],
  // modeling_dream.py: DreamModel
  dream: [
    ...['model.embed_tokens.weight', 'model.norm.weight', 'lm_head.weight'],
    ...['q_proj', 'k_proj', 'v_proj'].flatMap((part) =>
      ['weight', 'bias'].map((kind) => `model.layers.0.self_attn.${part}.${kind}`),
    ),
    ...['self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'].map(
      (part) => `model.layers.0.${part}.weight`,
    ),
    ...['input_layernorm', 'post_attention_layernorm'].map((part) => `model.layers.0.${part}.weight`),
  ],
  // modeling_sdar.py: SDARForCausalLM
  sdar: [
    ...['model.embed_tokens.weight', 'model.norm.weight', 'lm_head.weight'],
    ...['q_proj', 'k_proj', 'v_proj', 'o_proj', 'q_norm', 'k_norm'].map(
      (part) => `model.layers.0.self_attn.${part}.weight`,
    ),
    ...['gate_proj', 'up_proj', 'down_proj'].map((part) => `model.layers.0.mlp.${part}.weight`),
    ...['input_layernorm', 'post_attention_layernorm'].map((part) => `model.layers.0.${part}.weight`),
  ],
  // modeling_lladamoe.py: LLaDAMoEModelLM
  'llada-moe': [
    ...['model.embed_tokens.weight', 'model.norm.weight', 'lm_head.weight'],
    ...['q_proj', 'k_proj', 'v_proj', 'o_proj', 'q_norm', 'k_norm'].map(
      (part) => `model.layers.1.self_attn.${part}.weight`,
    ),
    'model.layers.1.mlp.gate.weight',
    ...['gate_proj', 'up_proj', 'down_proj'].map((part) => `model.layers.1.mlp.experts.0.${part}.weight`),
  ],
};

describe('a model in its own layout', () => {
  for (const [name, names] of Object.entries(published))
    it(`has the names of the authors' class if it is of ${name}`, async () => {
      const { exported, written } = await roundTrip(name);
      const tensors = await tensorsIn(exported);
      assert.deepEqual(
        names.filter((tensor) => !tensors.has(tensor)),
        [],
      );
      assert.equal(written.tensors, tensors.size);
    });

  for (const name of [
    'llada',
    'dream',
    'llada-moe',
    'llada2-moe',
    'llama',
    'llama-tied',
    'qwen2',
    'qwen3',
    'open-dcoder',
    'sdar',
    'stable-diffcoder',
  ])
    it(`is equal to the published ${name} in names, shapes, types and bits, if nothing was trained`, async () => {
      const { exported } = await roundTrip(name);
      const [expected, found] = [await tensorsIn(layout(name)), await tensorsIn(exported)];
      assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort());
      for (const [tensor, content] of expected) assert.deepEqual(found.get(tensor), content, tensor);
      // It loads again as what it was.
      const [before, after] = [await read(layout(name)), await read(exported)];
      assert.deepEqual({ ...after.config, published_config: null }, { ...before.config, published_config: null });
      assert.deepEqual([...after.weights], [...before.weights]);
      const fields = JSON.parse(await readFile(path.join(layout(name), 'config.json'), 'utf8'));
      const config = JSON.parse(await readFile(path.join(exported, 'config.json'), 'utf8'));
      assert.deepEqual({ ...config, ...fields }, config, 'the configuration has every published field');
    });

  it('keeps what was trained in float32, and is rounded only on request', async () => {
    const changed = await roundTrip('llada', (weights) => {
      const { data } = weights.get('model.layers.0.self_attn.q_proj.weight') as { data: Float32Array };
      data[0] = 0.1;
    });
    assert.equal(changed.written.type, 'float32');
    const tensors = await tensorsIn(changed.exported);
    assert.ok([...tensors.values()].every(({ type }) => type === 'F32'));
    assert.deepEqual([...(await read(changed.exported)).weights], [...(await read(changed.own)).weights]);
    const rounded = path.join(root, 'rounded');
    await exportModel(rounded, await openCheckpoint(await resolveModel(changed.own)), 'bfloat16');
    assert.ok([...(await tensorsIn(rounded)).values()].every(({ type }) => type === 'BF16'));
    assert.equal(JSON.parse(await readFile(path.join(rounded, 'config.json'), 'utf8')).torch_dtype, 'bfloat16');
  });

  it('is refused for a model that no family published, or that computes otherwise', async () => {
    await assert.rejects(publishedFamily(tinyCheckpoint()), /comes from no published family/);
    const { config, tokenizer } = await read(layout('llada'));
    const other = { config: { ...config, attention: 'prefix-lm' as const }, tokenizer };
    await assert.rejects(publishedFamily(other), /differs from its published configuration in attention/);
  });
});

describe('an exported adapter', () => {
  async function exported(name: string, targets = loraTargets) {
    const checkpoint = adapted(await read(layout(name)), { targets, base: layout(name) });
    const folder = await mkdtemp(path.join(root, 'adapter-'));
    const { architecture } = await publishedFamily(checkpoint);
    await exportAdapter(folder, checkpoint.adapter, checkpoint.config, architecture);
    const tensors = await readSafetensors(path.join(folder, 'adapter_model.safetensors'));
    const config = JSON.parse(await readFile(path.join(folder, 'adapter_config.json'), 'utf8'));
    return { checkpoint, folder, tensors, config };
  }

  for (const name of ['llada', 'dream', 'qwen3', 'llama'])
    it(`of ${name} has the family's names and loads again, equal to the bit`, async () => {
      const { checkpoint, folder, tensors, config } = await exported(name);
      const modules = [...(await tensorsIn(layout(name))).keys()].map((tensor) => tensor.replace(/\.weight$/, ''));
      for (const tensor of tensors.keys()) {
        const module = tensor.replace(/^base_model\.model\./, '').replace(/\.lora_[AB]\.weight$/, '');
        assert.ok(modules.includes(module), tensor);
        const { target_modules: targets } = config;
        // PEFT: a pattern matches the whole path, a name its end.
        const isTarget = Array.isArray(targets)
          ? targets.some((target: string) => module.endsWith(`.${target}`))
          : new RegExp(`^(?:${targets})$`).test(module);
        assert.ok(isTarget, `${module} is adapted by ${targets}`);
      }
      const head = name === 'llada' ? 'model.transformer.ff_out' : 'lm_head';
      if (typeof config.target_modules === 'string')
        assert.doesNotMatch(head, new RegExp(`^(?:${config.target_modules})$`));
      const again = await readAdapter(folder, await readAdapterConfig(folder), checkpoint.config);
      assert.deepEqual(new Map(again.weights), new Map(checkpoint.adapter.weights));
      assert.deepEqual([again.rank, again.alpha], [checkpoint.adapter.rank, checkpoint.adapter.alpha]);
    });

  it('of a mixture has the factors of each expert, which compute the same', async () => {
    const { checkpoint, tensors } = await exported('llada-moe');
    const { moe } = checkpoint.config;
    const product = (
      a: { data: ArrayLike<number> },
      b: { data: ArrayLike<number> },
      row: number,
      column: number,
      columns: number,
    ) => [0, 1, 2].reduce((sum, r) => sum + b.data[row * 3 + r]! * a.data[r * columns + column]!, 0);
    for (const [weight, isColumns] of [
      ['gate_proj', false],
      ['down_proj', true],
    ] as const) {
      const whole = `model.layers.1.mlp.experts.${weight}`;
      const [a, b] = [factorA(whole), factorB(whole)].map((name) => checkpoint.adapter.weights.get(name)!);
      for (let expert = 0; expert < moe!.num_experts; expert++) {
        const own = `base_model.model.model.layers.1.mlp.experts.${expert}.${weight}`;
        const [ownA, ownB] = [factorA(own), factorB(own)].map((name) => tensors.get(name)!);
        const [rows, columns] = [ownB!.shape[0]!, ownA!.shape[1]!];
        const [row, column] = [rows - 1, columns - 1];
        assert.equal(
          product(ownA!, ownB!, row, column, columns),
          isColumns
            ? product(a!, b!, row, expert * columns + column, a!.shape[1]!)
            : product(a!, b!, expert * rows + row, column, columns),
        );
      }
    }
  });

  it('of a family that stores queries, keys and values in one matrix has joined factors, which compute the same', async () => {
    const { checkpoint, tensors, config } = await exported('llada2-moe');
    const { rank, alpha, weights } = checkpoint.adapter;
    assert.deepEqual(
      [config.rank_pattern, config.alpha_pattern],
      [{ query_key_value: 3 * rank }, { query_key_value: 3 * alpha }],
    );
    const [a, b] = ['lora_A', 'lora_B'].map(
      (factor) => tensors.get(`base_model.model.model.layers.0.attention.query_key_value.${factor}.weight`)!,
    ) as [HostTensor, HostTensor];
    const update = (above: HostTensor, below: HostTensor, row: number) => {
      const [ranks, inputs] = above.shape as [number, number];
      return Array.from({ length: inputs }, (_, column) =>
        Array.from({ length: ranks }, (_, r) => below.data[row * ranks + r]! * above.data[r * inputs + column]!).reduce(
          (sum, one) => sum + one,
          0,
        ),
      );
    };
    let from = 0;
    for (const part of ['q', 'k', 'v']) {
      const name = `model.layers.0.self_attn.${part}_proj`;
      const [ownA, ownB] = [weights.get(factorA(name))!, weights.get(factorB(name))!];
      for (let row = 0; row < ownB.shape[0]!; row++)
        assert.deepEqual(update(a, b, from + row), update(ownA, ownB, row), `${name} row ${row}`);
      from += ownB.shape[0]!;
    }
    assert.equal(from, b.shape[0]);
  });
});

describe('ranks and alphas of single modules', () => {
  const scales = { rank: 4, alpha: 8, isStabilised: false, rankPattern: {}, alphaPattern: {} };
  const q = 'model.layers.0.self_attn.q_proj';

  it('are chosen by the first pattern that matches the end of a path, as in PEFT', () => {
    const cases: [pattern: Record<string, number>, module: string, alpha: number][] = [
      [{ q_proj: 100 }, q, 100],
      [{ '^q_proj': 100 }, q, 8],
      [{ '^model.layers.0.self_attn.q_proj': 100 }, q, 100],
      [{ 'layers.0.self_attn.q_proj': 100 }, q, 100],
      [{ proj: 100 }, q, 8],
      [{ '.*proj': 100 }, q, 100],
      [{ 'k_proj|q_proj': 100, q_proj: 5 }, q, 100],
      [{ 'layers.[1-9].*': 100 }, q, 8],
    ];
    for (const [alphaPattern, module, alpha] of cases)
      assert.deepEqual(
        scaleOf({ ...scales, alphaPattern }, module),
        { rank: 4, scale: alpha / 4 },
        JSON.stringify(alphaPattern),
      );
    const both = { ...scales, rankPattern: { q_proj: 16 }, alphaPattern: { q_proj: 32 } };
    assert.equal(scaleOf(both, q).scale, 2);
    assert.equal(scaleOf({ ...both, isStabilised: true }, q).scale, 8);
  });

  it('are read as one adapter that computes the same', async () => {
    const { config } = await read(layout('dream'));
    const checkpoint = adapted(await read(layout('dream')), { rank: 2, alpha: 4, targets: ['q_proj', 'k_proj'] });
    const folder = await mkdtemp(path.join(root, 'patterns-'));
    const wide = 'model.layers.1.self_attn.q_proj';
    const length = checkpoint.config.hidden_size * 4;
    const tensors = new Map(
      [...checkpoint.adapter.weights].map(([name, tensor]) => [`base_model.model.${name}`, tensor]),
    );
    const data = Float32Array.from({ length }, (_, index) => index / 64);
    tensors.set(`base_model.model.${factorA(wide)}`, { shape: [4, config.hidden_size], data });
    tensors.set(`base_model.model.${factorB(wide)}`, { shape: [config.hidden_size, 4], data });
    await writeSafetensors(path.join(folder, 'adapter_model.safetensors'), tensors);
    const fields = {
      ...{
        peft_type: 'LORA',
        base_model_name_or_path: 'base',
        r: 2,
        lora_alpha: 4,
        target_modules: ['q_proj', 'k_proj'],
      },
      ...{ rank_pattern: { 'layers.1.self_attn.q_proj': 4 }, alpha_pattern: { 'layers.1.self_attn.q_proj': 32 } },
    };
    await writeFile(path.join(folder, 'adapter_config.json'), JSON.stringify(fields));
    const adapter = await readAdapter(folder, await readAdapterConfig(folder), config);
    assert.equal(adapter.alpha / adapter.rank, 2);
    const [a, b] = [factorA(wide), factorB(wide)].map((name) => adapter.weights.get(name)!);
    assert.deepEqual(
      [a!.shape, b!.shape],
      [
        [4, config.hidden_size],
        [config.hidden_size, 4],
      ],
    );
    // Its scale is 8, and that of the others 2.
    assert.deepEqual(
      [...b!.data],
      [...data].map((value) => 4 * value),
    );
    const narrow = 'model.layers.0.self_attn.k_proj';
    const [narrowA, before] = [adapter.weights.get(factorA(narrow))!, checkpoint.adapter.weights.get(factorA(narrow))!];
    assert.deepEqual(narrowA.shape, [4, config.hidden_size]);
    assert.deepEqual([...narrowA.data].slice(0, before.data.length), [...before.data]);
    assert.ok([...narrowA.data].slice(before.data.length).every((value) => value === 0));

    await writeFile(path.join(folder, 'adapter_config.json'), JSON.stringify({ ...fields, rank_pattern: {} }));
    const wrong = readAdapterConfig(folder).then((read) => readAdapter(folder, read, config));
    await assert.rejects(wrong, /gives its module the rank 2; restore both files/);
    await writeFile(path.join(folder, 'adapter_config.json'), JSON.stringify({ ...fields, rank_pattern: { '(': 4 } }));
    await assert.rejects(readAdapterConfig(folder), /rank_pattern has the key "\(", which is no regular expression/);
  });
});
