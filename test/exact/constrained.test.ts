import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { denoise } from '../../src/diffusion/denoise.ts';
import type { GapRules } from '../../src/diffusion/reveal-rules.ts';
import { prefixConstraints } from '../../src/diffusion/token-healing.ts';
import { maskToken } from '../../src/model/config.ts';
import type { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { Trainer } from '../../src/training/trainer.ts';
import { letterIds, tinyWorld } from '../../src/tuning/exact/world.ts';
import { elboViews } from '../../src/tuning/likelihoods/elbo-views.ts';
import { evalOnlyOptimizer } from '../../src/tuning/likelihoods/eval-only-optimizer.ts';
import { weightedScores } from '../../src/tuning/likelihoods/score-losses.ts';
import {
  maskedView,
  type ScoredSequence,
  samplingInputs,
  scoreSequences,
  sequenceBatch,
} from '../../src/tuning/likelihoods/scored-sequences.ts';
import { stepSequence } from '../../src/tuning/likelihoods/trace-views.ts';
import type { Rollout } from '../../src/tuning/rollouts.ts';
import { assertFrequencies } from '../diffusion/chi-square.ts';
import { oneThread } from '../model/tiny-model.ts';

/**
 * The tiny world with texts of several characters: after the prompt, "p" must be spelled. Two tokens spell all of it
 * and
 * more, and two spell something else. The last letter is the end token.
 */
const texts: string[] = [];
for (const [index, text] of ['pa', 'pb', 'q', 'END'].entries()) texts[letterIds[index] as number] = text;
const [pa, pb, q, end] = letterIds as [number, number, number, number];
const tokenizer = {
  texts: Array.from({ length: end + 1 }, (_, id) => texts[id] ?? ''),
  decode: (ids: Iterable<number>) => [...ids].map((id) => texts[id] ?? '').join(''),
};
const rules: GapRules = { end, lineEnds: new Set(), tokenizer };
const length = 3;

let model: LanguageModel;
let trainer: Trainer;
before(async () => {
  model = await tinyWorld(oneThread(), 3);
  trainer = new Trainer(model, weightedScores, evalOnlyOptimizer);
});
after(async () => {
  await trainer.dispose();
  await model.dispose();
});

const prompt = () => Int32Array.from(model.tokenizer.encode('a'));
const mask = () => maskToken(model.config);

/** Log-probabilities [vocabulary] at a position of a canvas, renormalised over `allowed`, in double precision. */
async function predicted(canvas: readonly number[], position: number, allowed: readonly number[]): Promise<number[]> {
  const head = prompt();
  const query = {
    tokens: Int32Array.from([...head, ...canvas]),
    positions: [head.length + position],
    canvas: head.length,
  };
  const [logits] = await model.logits([query]);
  const sum = allowed.reduce((total, id) => total + Math.exp(logits![id] as number), 0);
  return Array.from(logits!, (logit, id) => (allowed.includes(id) ? logit - Math.log(sum) : Number.NEGATIVE_INFINITY));
}

const everything = () => Array.from({ length: model.config.vocab_size }, (_, id) => id);

/** A text of three positions whose first token spells the prefix, with and without forced tokens after its end. */
const completions = () =>
  (
    [
      [[pa, q, pb], 3],
      [[pb, end, end], 2],
      [[pb, q, end], 3],
    ] as const
  ).map(([ids, counted]) => {
    const tokens = Int32Array.from(ids);
    const constraints = prefixConstraints(tokens, 'p', tokenizer, model.config.vocab_size);
    return { prompt: prompt(), tokens, length: counted, constraints };
  });

/** All masks of a text, each with the weight that makes the sum over its masked tokens the ELBO (LLaDA, equation 6). */
function everyMask(n: number): { readonly masked: number[]; readonly weight: number }[] {
  const subsets = Array.from({ length: 2 ** n - 1 }, (_, bits) =>
    Array.from({ length: n }, (_, i) => i).filter((i) => (bits + 1) & (1 << i)),
  );
  return subsets.map((masked) => {
    const alike = subsets.filter((other) => other.length === masked.length).length;
    return { masked, weight: n / masked.length / (n * alike) };
  });
}

/** The ELBO of a completion by enumeration: over all masks, with the constrained position renormalised. */
async function enumerated({ tokens, length: n }: ReturnType<typeof completions>[number]): Promise<number> {
  let sum = 0;
  for (const { masked, weight } of everyMask(n)) {
    // The canvas after the text is always masked.
    const canvas = Array.from(tokens, (token, i) => (masked.includes(i) || i >= n ? mask() : token));
    for (const i of masked) {
      const row = await predicted(canvas, i, i === 0 ? [pa, pb] : everything());
      sum += weight * (row[tokens[i] as number] as number);
    }
  }
  return sum;
}

/** The same as one scored sequence. */
const everyView = (text: ReturnType<typeof completions>[number]): ScoredSequence =>
  everyMask(text.length).map(({ masked, weight }) => {
    const hidden = new Uint8Array(text.prompt.length + length).fill(1, text.prompt.length + text.length);
    for (const i of masked) hidden[text.prompt.length + i] = 1;
    return maskedView(text, hidden, mask(), (i) => (masked.includes(i) ? weight : 0));
  });

const evaluate = async (batch: Parameters<Trainer['evaluate']>[0]) => (await trainer.evaluate(batch)).metrics;

describe('the likelihood of a completion whose first token must spell a prefix', () => {
  it('is the enumerated one, renormalised over the allowed tokens, without forced tokens', async () => {
    const pad = model.config.pad_token_id;
    for (const text of completions()) {
      const { sequences } = await scoreSequences(evaluate, [everyView(text)], { size: 1, pad });
      const expected = await enumerated(text);
      assert.ok(Math.abs((sequences[0] as number) - expected) < 1e-4, `${sequences[0]} and ${expected}`);
      const free = await scoreSequences(evaluate, [everyView({ ...text, constraints: new Map() })], { size: 1, pad });
      assert.ok((free.sequences[0] as number) < expected - 0.01, 'without the constraint it is another number');
    }
  });

  it('is estimated without bias from random masks', async () => {
    const [text] = completions();
    const random = new Random(5, 'masks');
    const views = elboViews(text!, 3000, mask(), random).map((view) => [view]);
    const { sequences } = await scoreSequences(evaluate, views, { size: 500, pad: model.config.pad_token_id });
    const scaled = sequences.map((score) => score * 3000);
    const mean = scaled.reduce((sum, score) => sum + score, 0) / scaled.length;
    const variance = scaled.reduce((sum, score) => sum + (score - mean) ** 2, 0) / (scaled.length - 1);
    const expected = await enumerated(text!);
    assert.ok(Math.abs(mean - expected) < 4 * Math.sqrt(variance / scaled.length) + 1e-4, `${mean} and ${expected}`);
  });

  it('has the gradient of finite differences', async () => {
    const [text] = completions();
    const batchOf = () => {
      const batch = sequenceBatch([everyView(text!)], model.config.pad_token_id);
      const weights = { shape: [1], data: Float32Array.of(1) };
      return { ...batch, extra: { ...batch.extra, weights } };
    };
    const found = await trainer.gradients([batchOf()]);
    for (const name of ['lm_head.weight', 'model.embed_tokens.weight', 'model.layers.0.mlp.up_proj.weight']) {
      const { shape, data } = await model.state.read(name);
      const analytic = found.get(name)!.data as Float32Array;
      const largest = analytic.reduce((best, own, i) => (Math.abs(own) > Math.abs(analytic[best]!) ? i : best), 0);
      for (const index of [largest, (largest + 7) % data.length]) {
        const at = async (shift: number) => {
          const moved = Float32Array.from(data as Float32Array);
          moved[index] = (moved[index] as number) + shift;
          await model.state.write(name, { shape, data: moved });
          return enumerated(text!);
        };
        const step = 1e-2;
        const numeric = ((await at(step)) - (await at(-step))) / (2 * step);
        await model.state.write(name, { shape, data });
        const tolerance = 1e-3 + 0.02 * Math.abs(numeric);
        assert.ok(Math.abs(numeric - analytic[index]!) < tolerance, `${name}: ${analytic[index]} and ${numeric}`);
      }
    }
  });

  it('is that of the texts that the decoder writes', async () => {
    const seeds = Array.from({ length: 6000 }, (_, seed) => seed);
    const options = { order: 'random', length: 2, block: 2, steps: 2, threshold: 1, temperature: 1 } as const;
    const drawn = await denoise(model, {
      prompts: seeds.map(() => prompt()),
      seeds,
      options,
      gap: { rules, healed: seeds.map(() => 'p') },
    });
    // The prefix is spelled first, then the rest is written; both factors come from enumeration.
    const counts: number[] = [];
    const shares: number[] = [];
    const first = await predicted([mask(), mask()], 0, [pa, pb]);
    for (const one of [pa, pb]) {
      const second = await predicted([one, mask()], 1, everything());
      for (const two of letterIds) {
        counts.push(drawn.filter(({ tokens }) => tokens[0] === one && tokens[1] === two).length);
        shares.push(Math.exp((first[one] as number) + (second[two] as number)));
      }
    }
    assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-4, 'no text is left out');
    assertFrequencies(counts, shares, 'constrained texts');
  });

  it('of a denoising step omits forced tokens, and counts those that the end token replaced', async () => {
    const options = { order: 'random', length, block: length, steps: length, threshold: 1, temperature: 1 } as const;
    const seeds = Array.from({ length: 400 }, (_, seed) => seed);
    const drawn = await denoise(model, {
      prompts: seeds.map(() => prompt()),
      seeds,
      options,
      gap: { rules, healed: seeds.map(() => 'p') },
    });
    const shared = samplingInputs(1, mask(), model.config.vocab_size);
    let [forced, replaced] = [0, 0];
    for (const [index, denoised] of drawn.slice(0, 60).entries()) {
      const constraints = prefixConstraints(denoised.tokens, 'p', tokenizer, model.config.vocab_size);
      const found = denoised.tokens.indexOf(end);
      const counted = found === -1 ? length : found + 1;
      const rollout = {
        ...{ ...denoised, prompt: prompt(), constraints, length: counted },
        forcedTokens: length - counted,
      } as unknown as Rollout;
      forced += length - counted;
      replaced += denoised.overwritten?.length ?? 0;
      const canvas: number[] = new Array(length).fill(mask());
      for (let step = 0; step < denoised.forwards; step++) {
        const { sequences } = await scoreSequences(evaluate, [stepSequence(rollout, step, mask())], {
          size: 1,
          pad: model.config.pad_token_id,
          sampling: shared,
        });
        // Replay of the step: what was revealed in it, by the model or before the end token replaced it.
        const revealed = [
          ...Array.from(denoised.tokens, (token, position) => ({ position, token })).filter(
            ({ position }) => denoised.revealedAt[position] === step && position < counted,
          ),
          ...(denoised.overwritten ?? []).filter(({ revealedAt }) => revealedAt === step),
        ];
        let expected = 0;
        for (const { position, token } of revealed)
          expected += (await predicted(canvas, position, position === 0 ? [pa, pb] : withoutMask()))[token] as number;
        assert.ok(Math.abs((sequences[0] as number) - expected) < 1e-3, `seed ${index}, step ${step}`);
        for (const { position, token } of revealed) canvas[position] = token;
      }
    }
    assert.ok(forced > 0 && replaced > 0, `${forced} forced tokens and ${replaced} replaced ones were met`);
  });
});

const withoutMask = () => everything().filter((id) => id !== mask());
