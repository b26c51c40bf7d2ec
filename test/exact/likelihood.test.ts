import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { maskedLogp } from '../../src/tuning/exact/bound-table.ts';
import {
  euboConstant,
  exactElbo,
  exactEubo,
  logLikelihood,
  type MaskedLogp,
} from '../../src/tuning/exact/likelihood.ts';
import { everyText, type Predict, predictEverything, tinyWorld } from '../../src/tuning/exact/world.ts';
import { oneThread } from '../model/tiny-model.ts';

let model: LanguageModel;
let predict: Predict;
before(async () => {
  model = await tinyWorld(oneThread(), 1);
  predict = await predictEverything(model, 'a', 3);
});
after(() => model.dispose());

/** Random log-probabilities of a text under its masks: any such table is a possible model. */
function randomText(n: number, seed: number, spread: number): MaskedLogp {
  const random = new Random(seed, 'text');
  const known = Array.from({ length: 2 ** n }, () => Array.from({ length: n }, () => -spread * random.uniform()));
  return (masked) => known[masked] as number[];
}

describe('the likelihood by dynamic programming', () => {
  for (const steps of [1, 2, 3, 7])
    it(`of all texts sums to 1 with ${steps} steps`, () => {
      const sum = everyText(3).reduce(
        (all, text) => all + Math.exp(logLikelihood(3, maskedLogp(predict, text), steps)),
        0,
      );
      assert.ok(Math.abs(sum - 1) < 1e-5, String(sum));
    });

  it('with one step is the product of the predictions on the fully masked canvas', () => {
    const logp = randomText(5, 2, 4);
    const product = logp(2 ** 5 - 1).reduce((sum, own) => sum + own, 0);
    assert.ok(Math.abs(logLikelihood(5, logp, 1) - product) < 1e-12);
  });

  it('equals the sum over all chains of subsets', () => {
    const [n, steps] = [3, 4];
    const logp = randomText(n, 3, 3);
    // A chain is the step at which each position is revealed, from `steps` down to 1, with probability 1/steps each.
    let sum = 0;
    for (let chain = 0; chain < steps ** n; chain++) {
      const revealed = Array.from({ length: n }, (_, i) => 1 + (Math.floor(chain / steps ** i) % steps));
      let chance = steps ** -n;
      revealed.forEach((step, i) => {
        const masked = revealed.reduce((bits, other, j) => bits | (other <= step ? 1 << j : 0), 0);
        chance *= Math.exp(logp(masked)[i]!);
      });
      sum += chance;
    }
    assert.ok(Math.abs(logLikelihood(n, logp, steps) - Math.log(sum)) < 1e-12);
  });
});

describe('the bounds', () => {
  for (const n of [2, 4, 8])
    for (const steps of [2, 8])
      it(`ELBO <= log p <= EUBO for random models, ${n} tokens and ${steps} steps`, () => {
        for (let seed = 0; seed < (n === 8 ? 4 : 20); seed++) {
          const logp = randomText(n, seed, 1 + (seed % 6));
          const value = logLikelihood(n, logp, steps);
          assert.ok(exactElbo(n, logp, steps) <= value + 1e-9, `ELBO of seed ${seed}`);
          for (const beta of [1, 1.5, 2, n, 2 * n]) {
            const upper = exactEubo(n, logp, steps, beta) + euboConstant(n, steps, beta);
            assert.ok(value <= upper + 1e-9, `beta ${beta} of seed ${seed}: ${value} and ${upper}`);
          }
        }
      });

  it('coincide if every context gives the same predictions', () => {
    const logp: MaskedLogp = () => [-0.5, -1.5, -2.5];
    for (const steps of [1, 4, null]) {
      assert.ok(Math.abs(exactElbo(3, logp, steps) + 4.5) < 1e-12);
      for (const beta of [1, 2, 3]) assert.ok(Math.abs(exactEubo(3, logp, steps, beta) + 4.5) < 1e-12);
    }
  });

  it('for many steps approach those for infinitely many', () => {
    const logp = randomText(4, 5, 3);
    for (const [many, limit] of [
      [exactElbo(4, logp, 4000), exactElbo(4, logp, null)],
      [exactEubo(4, logp, 4000, 1.5), exactEubo(4, logp, null, 1.5)],
    ] as const)
      assert.ok(Math.abs(many - limit) < 5e-3, `${many} and ${limit}`);
  });

  it('have the constant 1/beta log E[q^-n], summed over every chain', () => {
    for (const [n, steps, beta] of [
      [2, 3, 1],
      [3, 2, 2],
      [3, 4, 1.5],
    ] as const) {
      let sum = 0;
      for (let chain = 0; chain < steps ** n; chain++) sum += steps ** -n * (steps ** -n) ** -n;
      assert.ok(Math.abs(euboConstant(n, steps, beta) - Math.log(sum) / beta) < 1e-12);
    }
    assert.equal(euboConstant(4, 16, 4), 0);
  });

  it('have a trained form without the constant, which is not a bound for some texts at beta < n', () => {
    const below = (beta: number) =>
      Array.from({ length: 60 }, (_, seed) => randomText(4, seed, 6)).filter(
        (logp) => exactEubo(4, logp, 16, beta) < logLikelihood(4, logp, 16),
      ).length;
    assert.ok(below(1) > 0, 'beta 1');
    assert.equal(below(4), 0, 'beta = n needs no constant');
    assert.ok(below(1) >= below(2) && below(2) >= below(4));
  });
});

it('the example of two positions: the lower bound follows the smaller probability, the upper one the larger', () => {
  const [a, b] = [0.8, 0.1];
  // Next to the second token the first has probability a, and next to a mask it has b.
  const logp: MaskedLogp = (masked) => [Math.log(masked === 0b01 ? a : b), 0];
  assert.ok(Math.abs(exactElbo(2, logp, null) - (Math.log(a) + Math.log(b)) / 2) < 1e-12);
  for (const beta of [1, 1.5, 2])
    assert.ok(Math.abs(exactEubo(2, logp, null, beta) - Math.log((a ** beta + b ** beta) / 2) / beta) < 1e-12);
  const step = 1e-6;
  const slopes = (of: (logp: MaskedLogp) => number) =>
    [
      [a + step, b],
      [a, b + step],
    ].map(([x, y]) => (of((masked) => [Math.log(masked === 0b01 ? x! : y!), 0]) - of(logp)) / step);
  const [byA, byB] = slopes((text) => exactElbo(2, text, null));
  assert.ok(Math.abs(byA! - 1 / (2 * a)) < 1e-4 && Math.abs(byB! - 1 / (2 * b)) < 1e-4);
  const [upperA, upperB] = slopes((text) => exactEubo(2, text, null, 2));
  assert.ok(Math.abs(upperA! - a / (a ** 2 + b ** 2)) < 1e-4 && Math.abs(upperB! - b / (a ** 2 + b ** 2)) < 1e-4);
});
