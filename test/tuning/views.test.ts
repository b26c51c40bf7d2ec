import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../src/platform/random.ts';
import { applyMask, canvasBatch, joinContext } from '../../src/tuning/likelihoods/canvas-batch.ts';
import { corrupt } from '../../src/tuning/likelihoods/corruptions.ts';
import { elboViews, oneStepView } from '../../src/tuning/likelihoods/elbo-views.ts';
import type { ScoredSequence } from '../../src/tuning/likelihoods/scored-sequences.ts';
import {
  canvasIn,
  maskedQuery,
  stateBefore,
  stepSequence,
  traceLength,
} from '../../src/tuning/likelihoods/trace-views.ts';
import { coupledViews } from '../../src/tuning/objectives/coupled-grpo.ts';
import { activeBlockView } from '../../src/tuning/objectives/dtm.ts';
import { doubledView } from '../../src/tuning/objectives/ebpo.ts';
import { selectSteps } from '../../src/tuning/objectives/egspo.ts';
import { pairOfViews } from '../../src/tuning/objectives/espo.ts';
import { complementaryViews } from '../../src/tuning/objectives/trafl.ts';
import { preferencePairs } from '../../src/tuning/objectives/vrpo.ts';
import { wd1Weights } from '../../src/tuning/objectives/wd1.ts';

const mask = 9;
/** A text of five tokens, four of which count, after a prompt of two. */
const text = { prompt: Int32Array.of(1, 2), tokens: Int32Array.of(3, 4, 5, 6, 7), length: 4 };

/** Positions of the text that are masked in a view. */
const maskedIn = (sequence: ScoredSequence, view: number) =>
  Array.from(sequence[view]!.tokens).flatMap((token, position) => (token === mask ? [position - 2] : []));

/** Mean weight of each token over many draws, summed over views. */
function meanWeights(draw: (random: Random) => ScoredSequence, draws = 20_000): number[] {
  const random = new Random(1, 'views');
  const sums = new Float64Array(5);
  for (let index = 0; index < draws; index++)
    for (const { weights } of draw(random))
      for (const [position, weight] of weights.entries()) sums[position]! += weight;
  return [...sums].map((sum) => sum / draws);
}

/** In the ELBO, a token's expected weight is the sum over l masks of 1/l times its probability l/n: 1 in total. */
function assertElbo(weights: readonly number[], scale = 1): void {
  for (const weight of weights.slice(0, 4))
    assert.ok(Math.abs(weight - scale) < 0.03 * scale, `${weight}, not ${scale}`);
  assert.equal(weights[4], 0);
}

describe('views', () => {
  it('give weights to masked tokens only, and mask everything after the end of text', () => {
    const random = new Random(2, 'masked');
    for (const sequence of [
      elboViews(text, 3, mask, random),
      coupledViews(text, mask, random),
      pairOfViews(text, 2, 1, mask, random),
      complementaryViews(text, 4, mask, random),
      [oneStepView(text, { promptMasking: 0.5, mask, random })],
    ])
      sequence.forEach(({ tokens, weights, targets }, view) => {
        assert.equal(tokens[6], mask);
        const positions = maskedIn(sequence, view);
        weights.forEach((weight, position) => {
          if (weight !== 0) assert.ok(positions.includes(position) && position < text.length);
        });
        assert.deepEqual(targets, text.tokens);
      });
  });

  it('of an ELBO are unbiased', () => {
    assertElbo(meanWeights((random) => elboViews(text, 2, mask, random)));
    assertElbo(
      meanWeights((random) => elboViews(text, 3, mask, random, 0.25)),
      0.25,
    );
  });

  it('of a coupled pair at a uniform count are an ELBO, also without masks', () => {
    assertElbo(meanWeights((random) => pairOfViews(text, random.integer(5), 1, mask, random)));
    const [none, all] = pairOfViews(text, 0, 1, mask, new Random(1, 'none'));
    assert.deepEqual([...none!.weights], [0, 0, 0, 0, 0]);
    assert.deepEqual([...all!.weights], [0.625, 0.625, 0.625, 0.625, 0]);
  });

  it('of coupled GRPO score each token half fully masked and half in one of two complements', () => {
    const random = new Random(3, 'coupled');
    for (let draw = 0; draw < 50; draw++) {
      const [full, one, other] = coupledViews(text, mask, random);
      for (let position = 0; position < 4; position++) {
        assert.equal(full!.weights[position], 0.5);
        assert.equal(Number(one!.weights[position]! > 0) + Number(other!.weights[position]! > 0), 1);
      }
    }
    const mean = meanWeights((stream) => coupledViews(text, mask, stream));
    for (const weight of mean.slice(0, 4)) assert.ok(Math.abs(weight - 1.5) < 0.05, String(weight));
  });

  it('of trafl are complementary pairs with a mean per position each', () => {
    const random = new Random(4, 'pairs');
    for (let draw = 0; draw < 20; draw++) {
      const sequence = complementaryViews(text, 4, mask, random);
      assert.equal(sequence.length, 4);
      for (const pair of [0, 2]) {
        const [first, second] = [maskedIn(sequence, pair), maskedIn(sequence, pair + 1)];
        assert.deepEqual([...new Set([...first, ...second])].sort(), [0, 1, 2, 3, 4]);
        assert.deepEqual(
          first.filter((position) => second.includes(position)),
          [4],
        );
      }
      for (const { weights } of sequence)
        assert.ok(Math.abs(weights.reduce((sum, weight) => sum + weight, 0) - 0.25) < 1e-6);
    }
    const alone = complementaryViews({ ...text, length: 1 }, 2, mask, random);
    assert.deepEqual(
      alone.map(({ weights }) => weights[0]),
      [0.5, 0.5],
    );
  });

  it('of one step mask the whole completion, and prompt tokens at random', () => {
    const random = new Random(5, 'one step');
    let masked = 0;
    for (let draw = 0; draw < 2000; draw++) {
      const { tokens, weights } = oneStepView(text, { promptMasking: 0.15, mask, random });
      assert.deepEqual(Array.from(tokens).slice(2), [mask, mask, mask, mask, mask]);
      assert.deepEqual([...weights], [1, 1, 1, 1, 0]);
      masked += Number(tokens[0] === mask) + Number(tokens[1] === mask);
    }
    assert.ok(Math.abs(masked / 4000 - 0.15) < 0.02, String(masked));
  });

  it("of dtm are states of the decoder, with equal weights for the block's open positions", () => {
    const whole = { prompt: text.prompt, tokens: Int32Array.of(3, 4, 5, 6) };
    const counts = new Map<number, number>();
    const random = new Random(6, 'active');
    for (let draw = 0; draw < 4000; draw++) {
      const view = activeBlockView(whole, { block: 2 }, mask, random);
      const open = maskedIn([view], 0);
      counts.set(open.length, (counts.get(open.length) ?? 0) + 1);
      const active = open.length > 2 ? [0, 1] : [2, 3];
      if (open.length > 2) assert.ok(open.includes(2) && open.includes(3), 'later blocks are open');
      else
        assert.ok(
          open.every((position) => position >= 2),
          'earlier blocks are clean',
        );
      const weighing = [...view.weights].flatMap((weight, position) => (weight > 0 ? [position] : []));
      assert.deepEqual(
        weighing,
        open.filter((position) => active.includes(position)),
      );
      assert.ok(Math.abs(view.weights.reduce((sum, weight) => sum + weight, 0) - 1) < 1e-6);
    }
    for (const open of [1, 2, 3, 4]) assert.ok(Math.abs(counts.get(open)! / 1000 - 1) < 0.15, `${open} open`);
  });

  it('of dtm follow the decoder if its last block is shorter', () => {
    const short = { prompt: text.prompt, tokens: text.tokens };
    const random = new Random(9, 'short');
    for (let draw = 0; draw < 300; draw++) {
      const open = maskedIn([activeBlockView(short, { block: 3 }, mask, random)], 0);
      // Blocks of three and two tokens: the second is completely open before the first has a mask.
      if (open.some((position) => position < 3)) assert.ok(open.includes(3) && open.includes(4));
    }
  });

  it('of ebpo contain the text clean and masked, padded on the left, with the weights of a block ELBO', () => {
    const options = { promptLength: 4, block: 2, mask_samples: 1, mask, pad: 0 };
    const { tokens, leftPadding, firstTarget } = doubledView(text, { ...options, random: new Random(7, 'doubled') });
    assert.deepEqual([leftPadding, firstTarget, tokens.length], [2, 9, 14]);
    assert.deepEqual(Array.from(tokens).slice(0, 9), [0, 0, 1, 2, 3, 4, 5, 6, 7]);
    assert.equal(tokens[13], mask);
    assertElbo(meanWeights((random) => [doubledView(text, { ...options, random })]));
  });
});

describe('a decoding trace', () => {
  const rollout = {
    prompt: text.prompt,
    tokens: text.tokens,
    revealedAt: Int32Array.of(1, 0, 2, 1, 3),
    entropy: Float32Array.of(0.2, 0.9, 1.5, 0.4, 0.1),
  } as Parameters<typeof stateBefore>[0];

  it('gives the canvas before each step, and the step as a sequence', () => {
    assert.equal(traceLength(rollout), 4);
    assert.deepEqual([...stateBefore(rollout, 0, mask).tokens], [1, 2, mask, mask, mask, mask, mask]);
    assert.deepEqual([...stateBefore(rollout, 2, mask).tokens], [1, 2, 3, 4, mask, 6, mask]);
    const [view] = stepSequence(rollout, 1, mask);
    assert.deepEqual(Array.from(view!.tokens), [1, 2, mask, 4, mask, mask, mask]);
    assert.deepEqual([...view!.weights], [1, 0, 0, 1, 0]);
  });

  it('has its prompt and suffix, which have no open positions', () => {
    const state = stateBefore({ ...rollout, suffix: Int32Array.of(7, mask) }, 2, mask);
    assert.deepEqual([...state.tokens], [1, 2, 3, 4, mask, 6, mask, 7, mask]);
    const query = maskedQuery(state, mask);
    assert.deepEqual([query.positions, query.canvas, query.suffix], [[4, 6], 2, 2]);
    assert.deepEqual([...canvasIn(query.tokens, query)], [3, 4, mask, 6, mask]);
  });

  it('gives the steps with the largest mean entropy in time order', () => {
    assert.deepEqual(selectSteps(rollout, 2), [0, 2]);
    assert.deepEqual(selectSteps(rollout, 9), [0, 1, 2, 3]);
  });

  it('selects steps by the tokens that they predict: not by forced ones, and by those that were replaced', () => {
    // Step 1 predicts the end of the middle at position 2; the two positions after it are forced, one of them over a token of step 0.
    const ended = {
      ...{ tokens: Int32Array.of(3, 4, 5, 5, 5), revealedAt: Int32Array.of(0, 2, 1, 1, 1), forcedTokens: 2 },
      entropy: Float32Array.of(0.5, 0.25, 0.75, 0, 0),
      overwritten: [{ position: 3, token: 7, revealedAt: 0, entropy: 1.5 }],
    };
    assert.deepEqual(selectSteps(ended, 1), [0], 'a mean of 1 over both of its predictions');
    assert.deepEqual(selectSteps(ended, 2), [0, 1], 'a mean of 0.75 over its only prediction');
    assert.deepEqual(selectSteps({ ...ended, overwritten: [] }, 1), [1]);
  });

  it('of an edited text is that of its draft', () => {
    const before = Int32Array.of(8, 8, 8, 8, 8);
    const state = stateBefore({ ...rollout, edits: [{ before, positions: [0], tokens: [3] }] }, 2, mask);
    assert.deepEqual([...state.tokens], [1, 2, 8, 8, mask, 8, mask]);
  });
});

describe('weights of completions', () => {
  it('wd1: softmax(-A) minus softmax(A), and 0 for a group of equal rewards', () => {
    const weights = wd1Weights([
      { group: 0, advantage: 0.5 },
      { group: 0, advantage: -0.5 },
      { group: 1, advantage: 0 },
      { group: 1, advantage: 0 },
    ]);
    const share = Math.exp(0.5) / (Math.exp(0.5) + Math.exp(-0.5));
    for (const [j, expected] of [(1 - 2 * share) / 2, (2 * share - 1) / 2, 0, 0].entries())
      assert.ok(Math.abs(weights[j]! - expected) < 1e-12);
  });

  it('vrpo: the best with the worst, and so on while rewards differ', () => {
    const group = [0.5, 1, 0, 0.5, 0.25].map((reward, name) => ({ name, reward, group: 0 }));
    const other = [1, 1].map((reward) => ({ name: 9, reward, group: 1 }));
    const pairs = preferencePairs([...group, ...other]).map((pair) => pair.map(({ name }) => name));
    assert.deepEqual(pairs, [
      [1, 2],
      [0, 4],
    ]);
  });
});

it('corruptions keep the length, change a part of the text, and use only its own tokens and digits', () => {
  const random = new Random(8, 'corrupt');
  const clean = Int32Array.of(10, 11, 12, 13, 14, 15, 16, 17);
  let changed = 0;
  for (let draw = 0; draw < 400; draw++) {
    const damaged = corrupt(clean, random, (token, step) => (token < 14 ? token + 100 * step : null));
    assert.equal(damaged.length, 8);
    for (const token of damaged) assert.ok([...clean].includes(token) || Math.abs(token) > 85, String(token));
    changed += Number(damaged.some((token, position) => token !== clean[position]));
  }
  assert.ok(changed > 300, String(changed));
});

describe('a completion in its context', () => {
  const suffix = Int32Array.of(7, 8);
  it('has masks at its masked positions, and none in the context', () => {
    const masked = Uint8Array.of(0, 0, 1, 0, 1);
    const row = applyMask({ prompt: Int32Array.of(1, 2), suffix, tokens: Int32Array.of(3, 4, 5) }, masked, mask);
    assert.deepEqual([[...row.tokens], row.promptLength, row.suffixLength], [[1, 2, mask, 4, mask, 7, 8], 2, 2]);
  });

  it('is distinguished from the context in a batch', () => {
    const rows = [
      { ...joinContext({ prompt: Int32Array.of(1, 2), suffix }, [3, 4]), targets: [3, 4] },
      { ...joinContext({ prompt: Int32Array.of(1) }, [3, 4]), targets: [3, 4] },
    ];
    const { batch } = canvasBatch(rows, 0);
    assert.deepEqual([...batch.canvas!.data].slice(0, 6), [0, 0, 1, 1, 0, 0]);
    assert.deepEqual([...batch.canvas!.data].slice(16, 19), [0, 1, 1]);
    assert.deepEqual([...batch.rows.data], [2, 3, 17, 18]);
    assert.deepEqual([...batch.present!.data].slice(0, 7), [1, 1, 1, 1, 1, 1, 0]);
  });
});
