import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../src/platform/random.ts';
import type { Batch } from '../../src/training/trainer.ts';
import { EstimatorSetup, everyEstimator, letterReward, worldSettings } from '../../src/tuning/exact/estimators.ts';
import { dot, Moments, norm } from '../../src/tuning/exact/moments.ts';
import { canvasTokens, everyText, letterIds, predictEverything } from '../../src/tuning/exact/world.ts';
import { weightedScores } from '../../src/tuning/likelihoods/score-losses.ts';
import { sequenceBatch } from '../../src/tuning/likelihoods/scored-sequences.ts';
import { clippedLoss } from '../../src/tuning/objectives/clipped-method.ts';
import { objectiveByName } from '../../src/tuning/objectives/registry.ts';
import { generateRollouts } from '../../src/tuning/rollouts.ts';
import { oneThread } from '../model/tiny-model.ts';

const groupSize = 6;
const completions = 4 * groupSize;

/**
 * Asserts that draws have a mean of `truth`, within their own scatter: along the truth, and along random directions.
 * Four standard errors; with a fixed seed the test is deterministic.
 */
function assertMean(draws: readonly Float64Array[], truth: Float64Array): void {
  const random = new Random(1, 'directions');
  const directions = [truth, ...Array.from({ length: 8 }, () => Float64Array.from(truth, () => random.normal()))].map(
    (direction) => direction.map((own) => own / norm(direction)),
  );
  for (const [index, direction] of directions.entries()) {
    const along = draws.map((draw) => dot(draw, direction));
    const mean = along.reduce((sum, own) => sum + own, 0) / along.length;
    const variance = along.reduce((sum, own) => sum + (own - mean) ** 2, 0) / (along.length - 1);
    const error = Math.sqrt(variance / along.length);
    const expected = dot(truth, direction);
    assert.ok(Math.abs(mean - expected) < 4 * error, `direction ${index}: ${mean} +- ${error}, not ${expected}`);
    if (index === 0) assert.ok(error < 0.25 * Math.abs(expected), `enough draws: ${expected} +- ${error}`);
  }
}

async function gradients(
  bed: EstimatorSetup,
  {
    name,
    changes,
    steps,
    draws,
    pick,
  }: { name: string; changes: object; steps: number; draws: number; pick: (batch: Batch) => boolean },
): Promise<Float64Array[]> {
  const objective = objectiveByName(name);
  const method = objective.begin(bed.run(worldSettings(3, changes)));
  const found: Float64Array[] = [];
  for (let draw = 0; draw < draws; draw++) {
    const rollouts = await generateRollouts(bed.model, bed.jobs(7, draw, completions, steps));
    const round = await method.prepare(bed.collect(rollouts, groupSize, 7, draw));
    const { batches } = await round.update(0);
    found.push(await bed.gradient(batches.filter(pick)));
  }
  await method.dispose?.();
  return found;
}

describe('unbiased estimates:', () => {
  it("egspo's gradient with all steps, up to a group's (g - 1) / g and the constant number of tokens", async () => {
    const bed = await EstimatorSetup.open(oneThread(), { seed: 2, length: 3 });
    const draws = await gradients(bed, { name: 'egspo', changes: {}, steps: 3, draws: 500, pick: () => true });
    assertMean(
      draws,
      bed.truth.map((own) => (own * (groupSize - 1)) / groupSize / 3),
    );
    await bed.dispose();
  });

  it("dispo's gradient at a fixed state, up to (Z - 1) / Z and its weight", async () => {
    const bed = await EstimatorSetup.open(oneThread(), { seed: 2, length: 3 });
    const branches = 3;
    // With one denoising step, the only state is the fully masked canvas, whose completions can all be listed.
    const draws = await gradients(bed, {
      name: 'dispo',
      changes: { branches, branch_weight: 0.5, inner: 'spg-positive' },
      steps: 1,
      draws: 400,
      pick: ({ loss }) => loss === clippedLoss({ unit: 'sequence', penalty: 'k3', logProbs: 'sampling' }),
    });
    const predict = await predictEverything(bed.model, 'a', 3);
    const [prompt, canvas] = [bed.model.tokenizer.encode('a'), [-1, -1, -1]];
    const logp = predict(canvas);
    const sequences = everyText(3).map((text) => {
      const chance = Math.exp(text.reduce((sum, letter, position) => sum + logp[position]![letter]!, 0));
      const targets = Int32Array.from(text, (letter) => letterIds[letter]!);
      const weights = new Float32Array(3).fill(chance * letterReward(text));
      return [{ tokens: canvasTokens(prompt, canvas), promptLength: prompt.length, targets, weights }];
    });
    const batch = sequenceBatch(sequences, bed.model.config.pad_token_id);
    const scale = { shape: [sequences.length], data: new Float32Array(sequences.length).fill(-1) };
    const truth = await bed.gradient([{ ...batch, extra: { ...batch.extra, weights: scale }, loss: weightedScores }]);
    assertMean(
      draws,
      truth.map((own) => (own * 0.5 * (branches - 1)) / branches),
    );
    await bed.dispose();
  });
});

it('in the table of estimators, exact methods have the direction of the policy gradient, and dropped steps do not', async () => {
  const bed = await EstimatorSetup.open(oneThread(), { seed: 2, length: 3 });
  const wanted = ['egspo', 'spg-elbo, paper', 'spg-mixture', 'egspo, half of the steps'];
  const rows = await bed.measure(
    everyEstimator(3).filter(({ name }) => wanted.includes(name)),
    { draws: 150, seed: 1 },
  );
  assert.deepEqual(rows.map(({ estimator }) => estimator).sort(), wanted.sort());
  const cosine = Object.fromEntries(rows.map((row) => [row.estimator, row.cosine]));
  assert.ok(cosine.egspo! > 0.97, String(cosine.egspo));
  assert.ok(cosine.egspo! > cosine['egspo, half of the steps']!);
  for (const { bias, bias_error: error, noise } of rows) assert.ok(bias >= 0 && error > 0 && noise > error);
  await bed.dispose();
});

it('Moments computes means and variances', () => {
  const moments = new Moments(2);
  for (const vector of [
    [1, 0],
    [3, 0],
    [2, 3],
  ])
    moments.add(Float64Array.from(vector));
  assert.deepEqual([...moments.mean], [2, 1]);
  assert.ok(Math.abs(moments.variance - 4) < 1e-12);
  const { cosine } = moments.against(Float64Array.of(4, 2));
  assert.ok(Math.abs(cosine - 1) < 1e-12);
});
