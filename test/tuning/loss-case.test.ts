import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Checkpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { trainingState } from '../../src/training/trainer.ts';
import { lossOfCase, parseLossCase } from '../../src/tuning/loss-case.ts';
import { spgObjectives } from '../../src/tuning/objectives/spg.ts';
import { logProbability, referencePredictions } from '../model/reference-transformer.ts';
import { everyOption, oneThread, tinyCheckpoint } from '../model/tiny-model.ts';
import { type ReferenceCompletion, type ReferenceSettings, referenceLogp, referenceLoss } from './reference-spg.ts';

const [mask, eos] = [2, 1];
const prompt = [4, 5];
const lossCase = {
  prompt,
  // The second ends early, and the third is shorter than the others.
  completions: [
    [6, 7, 8, 9, 10],
    [6, 7, eos, 0, 0],
    [11, 12, 13],
    [6, 6, 6, 6, eos],
  ],
  rewards: [1, 0.25, 0, 0.75],
  masks: [
    [
      [0, 1, 1, 0, 1, 1, 1],
      [0, 0, 0, 0, 0, 1, 1],
      [1, 1, 1, 1, 1, 1, 1],
    ],
    [
      [0, 0, 1, 1, 1, 1, 1],
      [0, 0, 0, 1, 0, 1, 1],
      [0, 1, 0, 0, 1, 1, 1],
    ],
    [
      [0, 0, 1, 1, 1],
      [0, 0, 0, 0, 1],
      [1, 0, 1, 0, 1],
    ],
    [
      [0, 0, 0, 0, 0, 0, 1],
      [0, 0, 0, 1, 1, 1, 1],
      [1, 1, 1, 0, 0, 0, 0],
    ],
  ],
};
const advantages = [0.5, -0.25, -0.5, 0.25];

/** The case with log-probabilities of the transformer in double precision. */
function reference({ config, weights }: Checkpoint): ReferenceCompletion[] {
  return lossCase.completions.map((completion, j) => {
    const text = [...prompt, ...completion];
    const end = completion.indexOf(eos);
    return {
      length: end === -1 ? completion.length : end + 1,
      advantage: advantages[j]!,
      masks: lossCase.masks[j]!.map((bits) => bits.slice(prompt.length)),
      logp: lossCase.masks[j]!.map((bits) => {
        const seen = text.map((token, position) => (bits[position] ? mask : token));
        const logits = referencePredictions(config, weights, seen);
        return completion.map((token, i) => logProbability(logits[prompt.length + i]!, token));
      }),
    };
  });
}

const near = (found: number, expected: number, what: string) =>
  assert.ok(Math.abs(found - expected) <= 5e-5 * Math.max(1, Math.abs(expected)), `${what}: ${found}, not ${expected}`);

describe('the loss of a hand-written case', () => {
  for (const [kind, changes] of [
    ['a plain model', {}],
    ['a model with every option', everyOption],
  ] as const)
    for (const objective of spgObjectives)
      it(`${objective.name} on ${kind} agrees with a slow computation in double precision`, async () => {
        const checkpoint = tinyCheckpoint(changes);
        const model = await LanguageModel.load(oneThread(), checkpoint, trainingState(checkpoint.config));
        const completions = reference(checkpoint);
        const branch = objective.name === 'spg-positive' ? 'none' : objective.name.replace('spg-', '');
        for (const estimator of ['released', 'paper'] as const)
          for (const [beta, omega] of [
            [1, 0.5],
            [2, 0.2],
          ] as const) {
            const settings = { estimator, branch, beta, omega } as ReferenceSettings;
            const given = parseLossCase(
              { ...lossCase, settings: { beta, omega, estimator } },
              'case.json',
              checkpoint.config,
            );
            const { loss, logp, advantages: found } = await lossOfCase(model, objective, given);
            assert.deepEqual(found, advantages);
            near(loss, referenceLoss(completions, settings), `loss, ${estimator}`);
            completions.forEach((completion, j) => {
              near(logp[j]!, referenceLogp(completion, settings), `log p of completion ${j}`);
            });
          }
        for (const [name, { data }] of checkpoint.weights)
          assert.deepEqual((await model.state.read(name)).data, data, 'weights do not change');
        await model.dispose();
      });

  it('uses the published defaults: released estimator, beta 1, omega 0.5', async () => {
    const checkpoint = tinyCheckpoint();
    const model = await LanguageModel.load(oneThread(), checkpoint);
    const { loss } = await lossOfCase(
      model,
      spgObjectives[0]!,
      parseLossCase(lossCase, 'case.json', checkpoint.config),
    );
    near(
      loss,
      referenceLoss(reference(checkpoint), { estimator: 'released', branch: 'mixture', beta: 1, omega: 0.5 }),
      'loss',
    );
    await model.dispose();
  });

  it('counts the whole length without an end of text, otherwise up to the first', () => {
    assert.deepEqual(
      reference(tinyCheckpoint()).map(({ length }) => length),
      [5, 3, 3, 5],
    );
  });
});

describe('an invalid case is rejected with the reason', () => {
  const { config } = tinyCheckpoint();
  const wrong: readonly [string, object, RegExp][] = [
    ['no case', [], /the case must be an object/],
    ['a foreign token', { prompt: [4, 99] }, /token 99 is beyond the model's vocabulary of 23/],
    ['a negative token', { prompt: [-1] }, /prompt\.0 must be at least 0, not -1/],
    ['no completions', { completions: [] }, /completions must have at least 1 entry/],
    ['an empty completion', { completions: [[], [6], [6], [6]] }, /completions\.0 must have at least 1 entry/],
    ['a reward too few', { rewards: [1, 0, 0] }, /has 4 completions, 3 rewards and 4 lists of masks/],
    ['a reward that is no number', { rewards: [1, 0, 0, 'x'] }, /rewards\.3 must be a number, not "x"/],
    ['too few masks', { masks: lossCase.masks.slice(1) }, /4 rewards and 3 lists of masks/],
    ['no masks', { masks: [[], [], [], []] }, /masks\.0 must have at least 1 entry/],
    [
      'a mask of another length',
      { masks: lossCase.masks.with(2, lossCase.masks[2]!.with(1, [0, 1])) },
      /masks\.2\.1 covers 2 tokens, but prompt and completion have 5/,
    ],
    [
      'another number of masks',
      { masks: lossCase.masks.with(1, lossCase.masks[1]!.slice(1)) },
      /masks\.1 has 2 masks and masks\.0 has 3/,
    ],
    [
      'a mask only after the end of text',
      { masks: lossCase.masks.with(1, lossCase.masks[1]!.with(0, [1, 1, 0, 0, 0, 1, 1])) },
      /masks\.1\.0 masks no token of the completion's text/,
    ],
    [
      'a mask of twos',
      { masks: lossCase.masks.with(0, [[0, 0, 2, 0, 0, 0, 0]]) },
      /masks\.0\.0\.2 must be 0 or 1, not 2/,
    ],
    ['an unknown setting', { settings: { gamma: 1 } }, /settings has the unknown field gamma/],
    ['an absurd setting', { settings: { beta: -1 } }, /settings\.beta must be at least 1, not -1/],
    ['an unknown field', { reward: 1 }, /the case has the unknown field reward/],
  ];
  for (const [name, change, message] of wrong)
    it(name, () => {
      const value = Array.isArray(change) ? change : { ...lossCase, ...change };
      assert.throws(
        () => parseLossCase(value, 'dir/case.json', config),
        (error: Error) => {
          assert.equal(error.name, 'UserError');
          assert.match(error.message, message);
          assert.ok(error.message.startsWith('dir/case.json: '));
          assert.doesNotMatch(error.message, /\n/);
          return true;
        },
      );
    });

  it('a text longer than the model supports', async () => {
    const model = await LanguageModel.load(oneThread(), tinyCheckpoint());
    const long = { prompt: [], completions: [new Array(65).fill(5)], rewards: [1], masks: [[new Array(65).fill(1)]] };
    await assert.rejects(lossOfCase(model, spgObjectives[0]!, parseLossCase(long, 'case.json', config)), {
      name: 'UserError',
      message: /65 tokens is longer than the model's 64/,
    });
    await model.dispose();
  });
});
