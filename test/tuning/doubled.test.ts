import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import type { Loss } from '../../src/training/trainer.ts';
import { Trainer } from '../../src/training/trainer.ts';
import { evalOnlyOptimizer } from '../../src/tuning/likelihoods/eval-only-optimizer.ts';
import { maskedView, scoreSequences, sequenceBatch, type View } from '../../src/tuning/likelihoods/scored-sequences.ts';
import { doubledBatch, doubledView } from '../../src/tuning/objectives/ebpo.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const none: Loss = {
  name: 'none',
  define: () => {
    throw new Error('every batch brings its own loss');
  },
};
const text = { prompt: Int32Array.of(4, 5), tokens: Int32Array.of(6, 7, 8, 9), length: 4 };
const mask = 2;
let model: LanguageModel;
let trainer: Trainer;
before(async () => {
  model = await LanguageModel.load(oneThread(), tinyCheckpoint({ attention: 'prefix-lm' }));
  trainer = new Trainer(model, none, evalOnlyOptimizer);
});
after(async () => {
  await trainer.dispose();
  await model.dispose();
});

const evaluate = async (batch: Parameters<Trainer['evaluate']>[0]) => (await trainer.evaluate(batch)).metrics;

/** Log-probabilities of all tokens of a doubled row, by default in blocks of two. */
async function scores(view: View, block = 2): Promise<number[]> {
  const all = { ...view, weights: new Float32Array(4).fill(1) };
  const batchOf = (sequences: Parameters<typeof doubledBatch>[0], pad: number) =>
    doubledBatch(sequences, pad, { block });
  return [...(await scoreSequences(evaluate, [[all]], { size: 1, pad: 0, batchOf })).tokens[0]!];
}

const doubled = (block: number, promptLength = 2, random = new Random(1, 'doubled')) =>
  doubledView(text, { promptLength, block, mask_samples: 1, mask, pad: 0, random });

function assertAlike(found: readonly number[], expected: readonly number[], alike: readonly boolean[]): void {
  found.forEach((own, position) => {
    assert.equal(
      Math.abs(own - expected[position]!) < 1e-4,
      alike[position],
      `place ${position}: ${own} and ${expected[position]}`,
    );
  });
}

describe('a completion twice in one row', () => {
  it('in one block equals the input of a prefix-lm decoder', async () => {
    const view = doubled(4);
    const copy = Array.from(view.tokens).slice(6);
    const masked = [0, 0, ...copy.map((token) => Number(token === mask))];
    const plain = maskedView(text, masked, mask, () => 1);
    const { tokens } = await scoreSequences(evaluate, [[plain]], { size: 1, pad: 0, batchOf: sequenceBatch });
    assertAlike(await scores(view, 4), [...tokens[0]!], [true, true, true, true]);
  });

  it('lets a block attend to the clean text before it, but not to its own text or to other masked blocks', async () => {
    const view = doubled(2);
    const base = await scores(view);
    const changed = (position: number) => ({ ...view, tokens: Array.from(view.tokens).with(position, 11) });
    // Prompt at 0 and 1, clean text at 2 to 5, masked copy at 6 to 9.
    assertAlike(await scores(changed(2)), base, [true, true, false, false]);
    assertAlike(await scores(changed(4)), base, [true, true, true, true]);
    assertAlike(await scores(changed(6)), base, [false, false, true, true]);
    assertAlike(await scores(changed(9)), base, [true, true, false, false]);
    assertAlike(await scores(changed(0)), base, [false, false, false, false]);
  });

  it('is the same after a prompt that is padded on its left', async () => {
    const base = await scores(doubled(2));
    assertAlike(await scores(doubled(2, 5)), base, [true, true, true, true]);
  });
});
