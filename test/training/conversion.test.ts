import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { DecodingSession } from '../../src/diffusion/decoding-session.ts';
import { constant, input } from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { convertedConfig } from '../../src/model/conversion.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { hiddenStates, rawLogitsAt } from '../../src/model/transformer.ts';
import { readJson } from '../../src/platform/files.ts';
import { Random } from '../../src/platform/random.ts';
import { readEvents, stepsOf } from '../../src/runs/reader.ts';
import type { Corpus } from '../../src/training/code/corpus.ts';
import { drawCanvases } from '../../src/training/conversion/canvases.ts';
import { resumeConversion, startConversion } from '../../src/training/conversion/conversion-run.ts';
import { type PackedText, packRow } from '../../src/training/conversion/packing.ts';
import { conversionSettings, planOf, stagesOf } from '../../src/training/conversion/settings.ts';
import { assertNear } from '../model/assert-near.ts';
import { oneThread, tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { temporaryFolder } from './tiny-runs.ts';

const engine = oneThread();
const shape = { attention: 'causal', logit_shift: true, num_hidden_layers: 2 } as const;
const base = tinyCheckpoint(shape);
const conversion = { attention: 'causal-context', mask_token_id: 2, eom_token_id: 3, prefix_token_id: 1 } as const;
const config = convertedConfig(base.config, conversion, 'adapter');
const special = { mask: 2, pad: 0 };
const size = { length: 32, predictions: 24 };

const canvas = (start: number, tokens: number[], masked: boolean[]) => ({
  ...{ start, tokens, masked },
  weights: tokens.map(() => 1),
});
const first: PackedText = {
  tokens: [2, 5, 1, 8, 9, 3],
  predictedFrom: 3,
  canvases: [canvas(4, [9, 3, 3], [true, true, false]), canvas(3, [8, 9], [false, true])],
};
const second: PackedText = {
  tokens: [2, 1, 7, 7, 6, 4, 3],
  predictedFrom: 2,
  canvases: [canvas(2, [7, 7, 6, 4], [true, true, true, true])],
};

/** The raw logits at every position of a packed row. */
async function packedLogits(model: LanguageModel, texts: readonly PackedText[]): Promise<Float32Array[]> {
  const { tokens, hidden, positions } = packRow(texts, special, size);
  const weight = model.lookUp(model.weightNodes());
  const states = hiddenStates(config, weight, {
    tokens: input('tokens', [1, size.length], 'i32'),
    packed: { hidden: input('hidden', hidden!.shape), positions: input('positions', positions!.shape, 'i32') },
  });
  const rows = constant({ shape: [size.length], data: Int32Array.from({ length: size.length }, (_, row) => row) });
  const logits = rawLogitsAt(config, weight, states, rows);
  const program = await engine.compile(defineProgram('packed', { outputs: { logits } }));
  const { logits: data } = await program.run({ tokens, hidden: hidden!, positions: positions! }, model.state);
  await program.dispose();
  return Array.from({ length: size.length }, (_, row) =>
    (data!.data as Float32Array).slice(row * config.vocab_size, (row + 1) * config.vocab_size),
  );
}

describe('a packed row', () => {
  it('gives a text and each of its canvases the logits that they have alone', async () => {
    const model = await LanguageModel.load(engine, { ...base, config });
    const together = await packedLogits(model, [first, second]);
    const alone = await packedLogits(model, [second]);
    const begin = 11;
    for (let row = 0; row < 11; row++) assertNear(together[begin + row]!, alone[row]!, `row ${row} of the second text`);
    const onlySecondCanvas = await packedLogits(model, [{ ...first, canvases: first.canvases.slice(1) }]);
    for (let row = 0; row < 2; row++)
      assertNear(together[9 + row]!, onlySecondCanvas[6 + row]!, `row ${row} of the second canvas`);
    await model.dispose();
  });

  it('does not let a text see its neighbour, what follows, or its canvases', async () => {
    const model = await LanguageModel.load(engine, { ...base, config });
    const before = await packedLogits(model, [first, second]);
    const changed = await packedLogits(model, [
      {
        ...first,
        tokens: [2, 5, 1, 8, 4, 4],
        canvases: [canvas(4, [5, 5, 5], [false, false, false]), first.canvases[1]!],
      },
      second,
    ]);
    for (const row of [0, 1, 2, 3, ...Array.from({ length: 11 }, (_, index) => 11 + index)])
      assert.deepEqual(changed[row], before[row], `row ${row}`);
    assert.notDeepEqual(changed[4], before[4]);
    await model.dispose();
  });

  it('trains what decoding computes', async () => {
    const model = await LanguageModel.load(engine, { ...base, config });
    const packed = await packedLogits(model, [second]);
    const session = new DecodingSession(model);
    const text = await session.open({ prompt: second.tokens.slice(0, 2), width: 4 });
    const [rows] = await session.logits([
      { context: text, tokens: new Int32Array(4).fill(2), positions: [0, 1, 2, 3] },
    ]);
    assertNear(rows![0]!, packed[1]!, 'the first token, by the context');
    for (const index of [1, 2, 3]) assertNear(rows![index]!, packed[7 + index - 1]!, `token ${index}, by the canvas`);
    session.dispose();
    await model.dispose();
  });

  it('predicts each token once, with the weights of the two losses, and drops the first of too many', () => {
    const { rows, targets, extra } = packRow([first], special, size);
    assert.deepEqual([...rows.data.slice(0, 5)], [2, 3, 4, 6, 9]);
    assert.deepEqual([...targets.data.slice(0, 5)], [8, 9, 3, 3, 9]);
    assertNear(extra.causal!.data, [1 / 3, 1 / 3, 1 / 3, ...Array(21).fill(0)], 'causal weights');
    assertNear(extra.denoising!.data, [0, 0, 0, 1 / 2, 1 / 2, ...Array(19).fill(0)], 'denoising weights');
    const few = packRow([first], special, { ...size, predictions: 3 });
    assert.deepEqual([...few.targets.data], [3, 3, 9], 'the end of the middle and the canvases');
    assert.throws(() => packRow([first, second, first], special, size), /do not fit into a row of 32/);
  });
});

describe('the canvases of a text', () => {
  const settings = { width: 4, room: 16, mostMasked: 1, allMasked: 0.25, complementary: true, elbo: false };
  const tokens = [2, 5, 1, 8, 9, 7, 3];

  it('are none at block size 1, else begin at the cut and at random places, with complementary masks', () => {
    const random = new Random(1, 'canvases');
    const at = { from: 4, cut: 5, end: 3 };
    assert.deepEqual(drawCanvases(tokens, at, { ...settings, width: 1 }, random), []);
    for (let draw = 0; draw < 200; draw++) {
      const canvases = drawCanvases(tokens, at, settings, random);
      assert.equal(canvases.length, 4);
      assert.equal(canvases[0]!.start, 5);
      assert.deepEqual(canvases[0]!.tokens, [7, 3, 3, 3], 'the end of the middle fills the canvas');
      assertNear(canvases[0]!.weights, [1, 1, 0.1, 0.1], 'weights');
      for (const [index, { start, masked }] of canvases.entries()) {
        assert.ok(start >= 4 && start < 7);
        assert.ok(masked.includes(true, 1), 'something is predicted');
        if (index % 2 === 1) continue;
        const { start: other, masked: complement } = canvases[index + 1]!;
        assert.equal(other, start);
        // The complement of a canvas that is masked after its first token has nothing to predict.
        if (masked.every((one, place) => one || place === 0)) continue;
        assert.deepEqual(
          complement,
          masked.map((one) => !one),
        );
      }
    }
  });

  it('have the weight 1 / t, at most the width, with the ELBO', () => {
    const random = new Random(2, 'canvases');
    for (let draw = 0; draw < 100; draw++)
      for (const { weights } of drawCanvases(tokens, { from: 4, cut: 4, end: 3 }, { ...settings, elbo: true }, random))
        assert.ok(weights.every((weight) => weight >= 0.1 && weight <= 4.0001));
  });
});

describe('the schedule of a conversion', () => {
  it('grows the block, warms up the mask rate, and ends the noise', () => {
    const settings = conversionSettings.parse({
      block_growth: '1:0.5,4:0.25,16:0.25',
      mask_rate_warmup: 0.2,
      mask_noise_steps: 5,
    });
    assert.deepEqual(planOf(1, 100, settings).blocks, []);
    assert.deepEqual(planOf(50, 100, settings).blocks, []);
    assert.deepEqual(planOf(51, 100, settings).blocks, [4]);
    assert.deepEqual(planOf(100, 100, settings).blocks, [4, 16]);
    assert.ok(Math.abs(planOf(55, 100, settings).mostMasked - 0.5) < 1e-9);
    assert.equal(planOf(60, 100, settings).mostMasked, 1);
    assert.deepEqual(
      [55, 56].map((step) => planOf(step, 100, settings).noise),
      [0.02, 0],
    );
    for (const growth of ['1:0.5', '1:0.5,4:half', '0:1', '']) assert.throws(() => stagesOf(growth), /block_growth/);
  });
});

describe('a conversion', async () => {
  const folder = await temporaryFolder();
  after(() => rm(folder, { recursive: true, force: true }));
  const from = await writeTinyCheckpoint(path.join(folder, 'base'), shape);
  const lines = Array.from({ length: 40 }, (_, line) => `12+${line}=(${line}*3)/7:-${line},9`).join('\n');
  const files = [{ package: 'sums', path: 'sums.ts', text: lines }];
  const readCorpus = async (): Promise<Corpus> => ({ training: files, validation: files });
  const settings = conversionSettings.parse({
    ...{ lora_r: 4, lora_alpha: 8, row_length: 48, predictions: 40, canvas_room: 16, rows_per_step: 2 },
    ...{ mask_token: '<mask>', eom_token: '<unk>', prefix_token: '<eos>', block_growth: '1:0.5,4:0.5' },
    ...{
      learning_rate: 0.05,
      warmup_steps: 0,
      evaluate_every: 0,
      evaluation_rows: 2,
      checkpoint_every: 5,
      mask_noise_steps: 2,
    },
  });
  const request = (output: string) => ({ from, output: path.join(folder, output), steps: 10, seed: 3, settings });

  it('lowers both losses, and writes an adapter that is found with its configuration', async () => {
    const { model, run, metrics } = await startConversion(
      engine,
      path.join(folder, 'runs'),
      request('whole'),
      {},
      readCorpus,
    );
    const steps = stepsOf(await readEvents(run));
    assert.equal(steps.length, 10);
    assert.ok((steps[9]!.causal_loss as number) < (steps[0]!.causal_loss as number), 'the autoregressive loss');
    assert.equal(steps[4]!.denoising_loss, undefined);
    assert.ok((steps[9]!.denoising_loss as number) > 0);
    assert.ok(metrics.token_probability!.value > 0.06, 'better than chance');
    const resolved = await resolveModel(model);
    assert.equal(resolved.config.attention, 'causal-context');
    assert.deepEqual(
      [resolved.config.mask_token_id, resolved.config.eom_token_id, resolved.config.prefix_token_id],
      [2, 3, 1],
    );
    const { adapter } = await openCheckpoint(resolved);
    assert.deepEqual(adapter!.tokens, [2, 3]);
    const { trainable_token_indices } = (await readJson(path.join(model, 'adapter_config.json'))) as Record<
      string,
      unknown
    >;
    assert.deepEqual(trainable_token_indices, { embed_tokens: [2, 3] });
    assert.equal(resolved.generation.canvas, 64);
  });

  it('continues on the same trajectory after it was stopped', async () => {
    const stop = new AbortController();
    const hooks = { signal: stop.signal, onStep: ({ step }: { step: number }) => step === 7 && stop.abort() };
    let dir = '';
    const start = startConversion(
      engine,
      path.join(folder, 'runs'),
      request('stopped'),
      {
        ...hooks,
        onStart: (run) => {
          dir = run.dir;
        },
      },
      readCorpus,
    );
    await assert.rejects(start, /Stopped after step 7/);
    const { run } = await resumeConversion(engine, dir, {}, undefined, readCorpus);
    const whole = stepsOf(
      await readEvents(
        (await startConversion(engine, path.join(folder, 'runs'), request('again'), {}, readCorpus)).run,
      ),
    );
    const resumed = stepsOf(await readEvents(run));
    assertNear(
      resumed.map(({ loss }) => loss!),
      whole.map(({ loss }) => loss!),
      'losses',
      1e-3,
    );
  });

  it('names the error in its base or its tokens', async () => {
    const denoiser = await writeTinyCheckpoint(path.join(folder, 'denoiser'));
    const start = (changes: object) =>
      startConversion(engine, path.join(folder, 'runs'), { ...request('none'), ...changes }, {}, readCorpus);
    await assert.rejects(start({ from: denoiser }), /denoises already; convert an autoregressive model/);
    await assert.rejects(
      start({ settings: { ...settings, mask_token: '<gap>' } }),
      /mask_token = <gap> is not a special token of the base/,
    );
    await assert.rejects(
      start({ settings: { ...settings, mask_token: null } }),
      /name one of its special tokens with --set mask_token=TOKEN/,
    );
    await assert.rejects(start({ settings: { ...settings, lora_r: 999 } }), /lora_r = 999 is larger than/);
  });
});
