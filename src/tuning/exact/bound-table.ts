import type { Engine } from '../../engine/engine.ts';
import { euboConstant, exactElbo, exactEubo, logLikelihood, type MaskedLogp } from './likelihood.ts';
import { everyText, type Predict, predictEverything, tinyWorld } from './world.ts';

/** The mean bounds of all texts of a world, in nats; the upper one with and without its constant. */
export interface BoundRow {
  readonly beta: number;
  readonly elbo: number;
  readonly log_likelihood: number;
  /** The trained form, without the constant. */
  readonly eubo: number;
  readonly eubo_with_constant: number;
  /** Share of texts for which the trained form is below the log-likelihood and therefore not a bound. */
  readonly below: number;
}

/** Bounds under the process of `steps` steps, for several beta. */
export async function boundTable(
  engine: Engine,
  { seed, length, steps, betas }: { seed: number; length: number; steps: number; betas: readonly number[] },
): Promise<BoundRow[]> {
  const model = await tinyWorld(engine, seed);
  const predict = await predictEverything(model, 'a', length);
  await model.dispose();
  const texts = everyText(length).map((text) => maskedLogp(predict, text));
  const likelihoods = texts.map((logp) => logLikelihood(length, logp, steps));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  return betas.map((beta) => {
    const upper = texts.map((logp) => exactEubo(length, logp, steps, beta));
    return {
      beta,
      elbo: mean(texts.map((logp) => exactElbo(length, logp, steps))),
      log_likelihood: mean(likelihoods),
      eubo: mean(upper),
      eubo_with_constant: mean(upper) + euboConstant(length, steps, beta),
      below: mean(upper.map((eubo, index) => Number(eubo < (likelihoods[index] as number)))),
    };
  });
}

/** A text's log-probabilities under every one of its masks. */
export function maskedLogp(predict: Predict, text: readonly number[]): MaskedLogp {
  const known = Array.from({ length: 2 ** text.length }, (_, masked) => {
    const rows = predict(text.map((letter, position) => (masked & (1 << position) ? -1 : letter)));
    return text.map((letter, position) => rows[position]![letter] as number);
  });
  return (masked) => known[masked] as readonly number[];
}
