import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { readAdapter, readAdapterConfig } from '../../src/model/adapter-folder.ts';
import { type Checkpoint, openCheckpoint, readCheckpoint, writeCheckpoint } from '../../src/model/checkpoint.ts';
import { type Conversion, convertedConfig } from '../../src/model/conversion.ts';
import { exportAdapter } from '../../src/model/export-adapter.ts';
import { exportModel, publishedFamily } from '../../src/model/export-model.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { mergeAdapter } from '../../src/model/merge-adapter.ts';
import { readSafetensors } from '../../src/model/safetensors.ts';
import { readJson } from '../../src/platform/files.ts';
import { assertNear } from './assert-near.ts';
import { oneThread } from './tiny-model.ts';

/** The folders that `make-peft-references.py` made with PEFT. */
const references = path.join(import.meta.dirname, 'references');
const folderOf = (name: string) => path.join(references, 'peft', name);

interface Reference {
  readonly base: string;
  readonly tokens: number[];
  /** Of the last two positions. */
  readonly logits: number[][];
  readonly refused?: true;
  readonly canvas?: { readonly mask: number; readonly end: number; readonly logits: number[][] };
}

const cases = await Promise.all(
  (await readdir(path.join(references, 'peft'))).map(async (name) => ({
    name,
    ...((await readJson(path.join(folderOf(name), 'logits.json'))) as Reference),
  })),
);
const read = cases.filter(({ refused }) => !refused);
const conversions = cases.flatMap(({ canvas, ...rest }) => (canvas ? [{ ...rest, canvas }] : []));

const engine = oneThread();
let root: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-peft-'));
});
after(() => rm(root, { recursive: true }));

const baseOf = async (base: string) => readCheckpoint(await resolveModel(path.join(references, base)));

/** An adapter that PEFT saved, on its base. */
async function adapterOn(folder: string, base: Checkpoint) {
  return { ...base, adapter: await readAdapter(folder, await readAdapterConfig(folder), base.config) };
}

const conversionOf = ({ mask, end }: { mask: number; end: number }): Conversion => ({
  attention: 'causal-context',
  mask_token_id: mask,
  eom_token_id: end,
  prefix_token_id: 0,
});

/** The converted model of a reference: PEFT's files say nothing of the conversion. */
async function converted({ name, base, canvas }: (typeof conversions)[number]) {
  const conversion = conversionOf(canvas);
  const { adapter, ...rest } = await adapterOn(folderOf(name), await baseOf(base));
  const config = convertedConfig(rest.config, conversion, name);
  return { ...rest, config, adapter: { ...adapter, base: { ...adapter.base, conversion } } };
}

async function assertLogits(checkpoint: Checkpoint, { tokens, logits }: Reference) {
  const model = await LanguageModel.load(engine, checkpoint);
  const found = await model.rawLogits(Int32Array.from(tokens));
  await model.dispose();
  const expected = Float32Array.from(logits.flat());
  assertNear(found.subarray(found.length - expected.length), expected, 'logits', 1e-4);
}

async function assertCanvas(checkpoint: Checkpoint, { tokens, canvas }: (typeof conversions)[number]) {
  const model = await LanguageModel.load(engine, checkpoint);
  const { mask, logits } = canvas;
  const positions = logits.map((_, index) => tokens.length + index);
  const row = { tokens: Int32Array.from([...tokens, ...logits.map(() => mask)]), positions, canvas: tokens.length };
  const [found] = await model.logits([row]);
  await model.dispose();
  assertNear(found!, Float32Array.from(logits.flat()), 'logits of the canvas', 1e-4);
}

describe('an adapter that PEFT saved', () => {
  for (const reference of read)
    it(`computes the same as in PEFT, also merged (${reference.name})`, async () => {
      const checkpoint = await adapterOn(folderOf(reference.name), await baseOf(reference.base));
      await assertLogits(checkpoint, reference);
      await assertLogits(await mergeAdapter(engine, checkpoint), reference);
    });

  const refusals: Readonly<Record<string, RegExp>> = {
    'adapted-embeddings': /target_modules: there is no projection embed_tokens/,
    'adapted-head': /target_modules: there is no projection lm_head/,
    biases: /bias = "lora_only" \(trained biases\) is not supported/,
    dora: /use_dora = true \(DoRA\) is not supported/,
    'factor-biases': /lora_bias = true \(biases of the factors\) is not supported/,
    resized: /has the tensor base_model\.model\.(model\.embed_tokens|lm_head)\.weight: a resized vocabulary/,
    'resized-tied': /has the tensor base_model\.model\.(model\.embed_tokens|lm_head)\.weight: a resized vocabulary/,
    'saved-modules': /modules_to_save = .* \(fully trained modules\) is not supported/,
    'tokens-of-embeddings':
      /trained tokens \(trainable_token_indices\) of model\.embed_tokens\.weight, but not of lm_head/,
  };
  for (const { name, base, refused } of cases)
    if (refused)
      it(`is refused with the name of what is not supported (${name})`, async () => {
        const loaded = baseOf(base).then((checkpoint) => adapterOn(folderOf(name), checkpoint));
        await assert.rejects(loaded, (error: Error) => {
          assert.equal(error.name, 'UserError');
          assert.match(error.message, refusals[name] as RegExp);
          return true;
        });
      });
});

describe('the adapter of a conversion', () => {
  for (const reference of conversions) {
    it(`computes a canvas as PEFT does with the same mask (${reference.name})`, async () =>
      assertCanvas(await converted(reference), reference));

    it(`is exported with the tensors that PEFT saved, and loads again as a conversion (${reference.name})`, async () => {
      const checkpoint = await converted(reference);
      const { architecture } = await publishedFamily(checkpoint);
      const folder = await mkdtemp(path.join(root, 'adapter-'));
      await exportAdapter(folder, checkpoint.adapter, checkpoint.config, architecture);
      const [own, peft] = [folder, folderOf(reference.name)];
      const tensorsIn = async (one: string) => readSafetensors(path.join(one, 'adapter_model.safetensors'));
      const inOrder = (tensors: Map<string, unknown>) => [...tensors].sort(([a], [b]) => (a < b ? -1 : 1));
      assert.deepEqual(inOrder(await tensorsIn(own)), inOrder(await tensorsIn(peft)));
      const again = await readAdapterConfig(folder);
      assert.deepEqual(again.base.conversion, conversionOf(reference.canvas));
      const base = await baseOf(reference.base);
      const { adapter } = await adapterOn(folder, { ...base, config: checkpoint.config });
      assert.deepEqual(new Map(adapter.weights), new Map(checkpoint.adapter.weights));
    });
  }
});

describe('a converted model with full weights', () => {
  it("is exported in its base's family and loads again as a conversion, equal to the bit", async () => {
    for (const reference of conversions) {
      const merged = await mergeAdapter(engine, await converted(reference));
      const [own, exported] = ['own', 'exported'].map((part) => path.join(root, `${reference.name}-${part}`));
      await writeCheckpoint(own!, merged);
      await exportModel(exported!, await openCheckpoint(await resolveModel(own!)), 'auto');
      const again = await readCheckpoint(await resolveModel(exported!));
      assert.deepEqual(
        { ...again.config, published_config: null, architectures: null },
        { ...merged.config, published_config: null, architectures: null },
      );
      assert.deepEqual(new Map(again.weights), new Map(merged.weights));
      await assertCanvas(again, reference);
      const { model_type } = (await readJson(path.join(exported!, 'config.json'))) as { model_type: string };
      assert.equal(model_type, reference.base.replace(/-tied$/, ''));
      // It can be exported once more.
      await publishedFamily(again);
    }
  });
});
