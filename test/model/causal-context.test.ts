import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodingSession } from '../../src/diffusion/decoding-session.ts';
import { convertedConfig } from '../../src/model/conversion.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { loraTargets, tokenRows, vocabularyMatrices } from '../../src/model/lora.ts';
import { mergeAdapter } from '../../src/model/merge-adapter.ts';
import { Random } from '../../src/platform/random.ts';
import { assertNear } from './assert-near.ts';
import { adapted } from './tiny-adapter.ts';
import { oneThread, tinyCheckpoint } from './tiny-model.ts';

const engine = oneThread();
const base = tinyCheckpoint({
  attention: 'causal',
  logit_shift: true,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
});
const conversion = { attention: 'causal-context', mask_token_id: 2, eom_token_id: 3, prefix_token_id: 1 } as const;
const config = convertedConfig(base.config, conversion, 'adapter');
const random = new Random(5, 'causal context');
const prompt = Array.from({ length: 9 }, () => 4 + random.integer(10));
const masks = new Int32Array(6).fill(2);

const rowOf = (logits: Float32Array, row: number) =>
  logits.subarray(row * config.vocab_size, (row + 1) * config.vocab_size);

/** A converted model with an adapter on all projections and trained rows of mask and end of the middle. */
function withTrainedRows(tied: boolean) {
  const plain = tinyCheckpoint({ ...base.config, tie_word_embeddings: tied });
  const { adapter } = adapted({ ...plain, config: { ...plain.config, ...conversion } }, { targets: loraTargets });
  const weights = new Map(adapter.weights);
  for (const matrix of vocabularyMatrices(plain.config))
    weights.set(tokenRows(matrix), {
      shape: [2, config.hidden_size],
      data: Float32Array.from({ length: 2 * config.hidden_size }, () => random.normal()),
    });
  return {
    ...plain,
    config: convertedConfig(plain.config, conversion, 'adapter'),
    adapter: { ...adapter, tokens: [2, 3], weights, base: { ...adapter.base, conversion } },
  };
}

describe('a converted model', () => {
  it('predicts the first token of a canvas as its base does, and the others from the whole canvas', async () => {
    const [model, original] = [
      await LanguageModel.load(engine, { ...base, config }),
      await LanguageModel.load(engine, base),
    ];
    const session = new DecodingSession(model);
    const text = await session.open({ prompt, width: 6 });
    const predict = async (tokens: Int32Array) =>
      (await session.logits([{ context: text, tokens, positions: [0, 1, 2, 3, 4, 5] }]))[0] as Float32Array[];
    const first = await predict(masks);
    const raw = await original.rawLogits(Int32Array.from(prompt));
    assertNear(first[0]!, rowOf(raw, prompt.length - 1), "the base's prediction");

    const revealed = await predict(Int32Array.of(2, 2, 2, 2, 2, 7));
    assertNear(revealed[0]!, first[0]!, 'the context does not attend to the canvas');
    assert.ok(
      revealed[1]!.some((logit, i) => Math.abs(logit - first[1]![i]!) > 1e-2),
      'the canvas attends to its end',
    );

    const [flat] = await model.logits([
      { tokens: Int32Array.from([...prompt, ...masks]), positions: [9, 10, 11, 12, 13, 14], canvas: 9 },
    ]);
    for (const [index, row] of first.entries())
      assertNear(row, rowOf(flat!, index), `position ${index} without kept keys`);
    session.dispose();
    await Promise.all([model.dispose(), original.dispose()]);
  });

  it('computes a canvas as its base does if it attends causally', async () => {
    const [model, original] = [
      await LanguageModel.load(engine, { ...base, config }),
      await LanguageModel.load(engine, base),
    ];
    const session = new DecodingSession(model);
    const tokens = Int32Array.of(5, 9, 4, 8);
    const text = await session.open({ prompt, width: 4 });
    const [rows] = await session.logits([{ context: text, tokens, positions: [0, 1, 2, 3], causal: true }]);
    const raw = await original.rawLogits(Int32Array.from([...prompt, ...tokens]));
    for (const [index, row] of rows!.entries())
      assertNear(row, rowOf(raw, prompt.length + index - 1), `token ${index}`);
    session.dispose();
    await Promise.all([model.dispose(), original.dispose()]);
  });

  for (const tied of [true, false])
    it(`with trained rows of ${tied ? 'tied' : 'untied'} matrices is the same after it was merged, and while it is served`, async () => {
      const checkpoint = withTrainedRows(tied);
      const { adapter, ...rest } = checkpoint;
      const frozen = await LanguageModel.loadFrozen(engine, rest, 'f32');
      const [unmerged, merged, served] = [
        await LanguageModel.load(engine, checkpoint),
        await LanguageModel.load(engine, await mergeAdapter(engine, checkpoint)),
        await frozen.withAdapter(adapter),
      ];
      const query = { tokens: Int32Array.from([...prompt, 3, ...masks]), positions: [9, 10, 11, 15], canvas: 10 };
      const [expected] = await merged.logits([query]);
      assertNear((await unmerged.logits([query]))[0]!, expected!, 'unmerged');
      assertNear((await served.logits([query]))[0]!, expected!, 'served');
      for (const causal of [false, true]) {
        const [kept, plain] = [new DecodingSession(served), new DecodingSession(merged)];
        const rows = async (session: DecodingSession) => {
          const context = await session.open({ prompt, width: 6 });
          return (
            await session.logits([{ context, tokens: masks, positions: [1, 2, 5], causal }])
          )[0] as Float32Array[];
        };
        const [found, right] = [await rows(kept), await rows(plain)];
        for (const [index, row] of found.entries()) assertNear(row, right[index]!, `causal ${causal}, row ${index}`);
        kept.dispose();
        plain.dispose();
      }
      await served.dispose();
      await Promise.all([frozen.dispose(), unmerged.dispose(), merged.dispose()]);
    });

  it('cannot be made of a model that denoises, or with two meanings of a token', () => {
    assert.throws(() => convertedConfig(config, conversion, 'folder'), /folder converts an autoregressive model/);
    assert.throws(
      () => convertedConfig(base.config, { ...conversion, eom_token_id: 2 }, 'folder'),
      /must be three tokens below \d+, not 2, 2 and 1/,
    );
  });
});
