import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DiffusionLikelihood, modelCompleter, predictedTokens } from '../../src/infilling/diffusion-infiller.ts';
import type { InfillingItem } from '../../src/infilling/infilling.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Tokenizer } from '../../src/model/tokenizer.ts';
import { logProbability, referenceLogits } from '../model/reference-transformer.ts';
import { oneThread, tinyCheckpoint, tinyGeneration } from '../model/tiny-model.ts';

const base = tinyCheckpoint({ attention: 'prefix-lm', eom_token_id: 3, num_hidden_layers: 2 });
const checkpoint: Checkpoint = { ...base, generation: { ...tinyGeneration, line_canvas: 4, canvas: 20 } };
const { config, weights, tokenizer } = checkpoint;
const item = (kind: InfillingItem['kind'], middle: string): InfillingItem => ({
  ...{ kind, middle, prefix: '12+34', suffix: '=46', language: 'typescript', errors: 0 },
});

/** Bits of a token at a position of the canvas, by definition: the mask is not a possible outcome. */
function reference(canvas: readonly number[], position: number, token: number): number {
  const [prefix, suffix] = [tokenizer.encode('12+34'), tokenizer.encode('=46')];
  const isContext = (at: number) => at < prefix.length || at >= prefix.length + canvas.length;
  const logits = referenceLogits(config, weights, [...prefix, ...canvas, ...suffix], isContext)[
    prefix.length + position
  ]!;
  const outcomes = logits.map((logit, id) => (id === config.mask_token_id ? Number.NEGATIVE_INFINITY : logit));
  return -logProbability(outcomes, token) / Math.LN2;
}

describe('bits of a middle by a diffusion model', () => {
  it('from the left are the bits of each token given the previous ones, in a canvas of masks', async () => {
    const model = await LanguageModel.load(oneThread(), checkpoint);
    for (const [kind, middle] of [
      ['line', '5*'],
      ['line', ''],
      ['span', '5*6/(7+8)-1+1-1+1'],
    ] as const) {
      const width = kind === 'line' ? 4 : 20;
      const target = [...tokenizer.encode(middle), 3];
      const expected = target.reduce((sum, token, position) => {
        const canvas = [...target.slice(0, position), ...Array<number>(width - position).fill(2)];
        return sum + reference(canvas, position, token);
      }, 0);
      const found = await new DiffusionLikelihood(model, 40).fromTheLeft(item(kind, middle));
      assert.ok(Math.abs(found - expected) < 1e-3, `${found} and ${expected}`);
    }
    await model.dispose();
  });

  it('are bounded by the mean over masked canvases of the bits of their masked tokens', async () => {
    const model = await LanguageModel.load(oneThread(), checkpoint);
    // A single token and its end in a canvas of four: the exact mean over all subsets of each size.
    const target = [...tokenizer.encode('5'), 3, 3, 3];
    let exact = 0;
    for (let subset = 1; subset < 16; subset++) {
      const masked = [0, 1, 2, 3].filter((position) => subset & (1 << position));
      const canvas = target.map((token, position) => (masked.includes(position) ? 2 : token));
      const bits = masked.reduce((sum, position) => sum + reference(canvas, position, target[position]!), 0);
      const subsets = [0, 4, 6, 4, 1][masked.length] as number;
      exact += ((4 / masked.length) * bits) / (4 * subsets);
    }
    const found = await new DiffusionLikelihood(model, 40).bound(item('line', '5'));
    assert.ok(Math.abs(found / exact - 1) < 0.15, `${found} of sixteen masked canvases, and ${exact} of all`);
    assert.equal(await new DiffusionLikelihood(model, 40).bound(item('line', '5')), found);
    await model.dispose();
  });

  it('of an uninformed model are those of a uniform distribution over the canvas', async () => {
    const blank = new Map([...weights].map(([name, { shape, data }]) => [name, { shape, data: data.map(() => 0) }]));
    const model = await LanguageModel.load(oneThread(), { ...checkpoint, weights: blank as Checkpoint['weights'] });
    const likelihood = new DiffusionLikelihood(model, 40);
    const each = Math.log2(config.vocab_size - 1);
    assert.ok(Math.abs((await likelihood.bound(item('line', '5'))) - 4 * each) < 1e-3);
    assert.ok(Math.abs((await likelihood.fromTheLeft(item('line', '5'))) - 2 * each) < 1e-3);
    await model.dispose();
  });
});

describe('a model as a completer', () => {
  it('gives the requested number of alternatives, also from the left', async () => {
    const model = await LanguageModel.load(oneThread(), checkpoint);
    const greedy = { threshold: 1, contextTokens: 40, alternatives: 1 };
    assert.equal((await modelCompleter(model, { threshold: 0.9, contextTokens: 40 })(item('line', '')))!.length, 3);
    const [written] = await modelCompleter(model, { ...greedy, block: 1 })(item('line', ''));
    // The first token from the left is the likeliest one at the first position.
    const canvas = [2, 2, 2, 2];
    const bits = Array.from({ length: config.vocab_size }, (_, token) => reference(canvas, 0, token));
    const first = bits.indexOf(Math.min(...bits));
    assert.ok((written as string).startsWith(first === 3 ? '' : tokenizer.decode([first])));
    await model.dispose();
  });

  it('can get the length of the middle: then it writes nothing longer', async () => {
    const model = await LanguageModel.load(oneThread(), checkpoint);
    const known = modelCompleter(model, { threshold: 0.9, contextTokens: 40, lengthGiven: true });
    const seen: number[] = [];
    for (const middle of ['5', '5*6', '1+2+3+4']) {
      const lengths = (await known(item('span', middle))).map((text) => tokenizer.encode(text).length);
      assert.ok(Math.max(...lengths) <= tokenizer.encode(middle).length + 1, `${lengths} for ${middle}`);
      seen.push(...lengths);
    }
    assert.ok(Math.max(...seen) > 0);
    await model.dispose();
  });

  it('predicts the healed prefix together with the middle', () => {
    const words = new Tokenizer(trainBytePairs(['return definition + definition;\n'.repeat(9)], 290));
    const within = predictedTokens(words, { prefix: 'return defi', middle: 'nition;' });
    assert.deepEqual(within, { prefix: 'return', tokens: words.encode(' definition;'), characters: 12 });
    const between = predictedTokens(words, { prefix: 'return definition +\n', middle: 'x' });
    assert.deepEqual(between, { prefix: 'return definition +\n', tokens: words.encode('x'), characters: 1 });
  });
});
