import { Interrupted } from '../../platform/errors.ts';
import { boundTable } from '../../tuning/exact/bound-table.ts';
import { EstimatorSetup, everyEstimator } from '../../tuning/exact/estimators.ts';
import { type AddCommand, type EngineOptions, engineOf, wholeNumber, withEngine } from '../command.ts';

interface ExactOptions extends EngineOptions {
  readonly draws: number;
  readonly seed: number;
}

/** Tokens per completion, and denoising steps of the bounds. */
const length = 4;
const steps = 16;
const betas = [1, 1.5, 2, 4, 8];

export function addExact(add: AddCommand): void {
  withEngine(
    add<ExactOptions>(
      'exact',
      'Compare the gradient of every objective with the exact policy gradient of a tiny model',
      async (options, { signal, progress }) => {
        const engine = await engineOf(options);
        const bounds = await boundTable(engine, { seed: options.seed, length, steps, betas });
        const setup = await EstimatorSetup.open(engine, { seed: options.seed, length });
        const estimators = await setup.measure(everyEstimator(length), {
          draws: options.draws,
          seed: options.seed,
          progress: (done) => {
            if (signal.aborted) throw new Interrupted('The measurement was stopped; no results were saved.');
            if (done % 50 === 0) progress(`${done} of ${options.draws} draws`);
          },
        });
        await setup.dispose();
        return {
          document: { length, steps, draws: options.draws, seed: options.seed, bounds, estimators },
          lines: [
            `Completions of ${length} letters out of 4, from a randomly initialised model; bounds summed over all ${4 ** length} texts, with ${steps} steps, in nats`,
            row('beta', ['ELBO', 'log p', 'EUBO', 'EUBO + C', 'below']),
            ...bounds.map(({ beta, elbo, log_likelihood, eubo, eubo_with_constant, below }) =>
              row(String(beta), [elbo, log_likelihood, eubo, eubo_with_constant, below]),
            ),
            '',
            `Gradient estimates compared with the enumerated policy gradient: ${options.draws} draws of 4 groups`,
            row('objective', ['cosine', 'bias', '+-', 'noise']),
            ...estimators.map(({ estimator, cosine, bias, bias_error, noise }) =>
              row(estimator, [cosine, bias, bias_error, noise]),
            ),
          ],
        };
      },
    ),
  )
    .addOption(wholeNumber('--draws <n>', 'number of estimates of each gradient').default(400))
    .addOption(wholeNumber('--seed <seed>', 'random seed', 0).default(0));
}

function row(name: string, values: readonly (number | string)[]): string {
  const cells = values.map((value) => (typeof value === 'number' ? value.toFixed(3) : value).padStart(9));
  return name.padEnd(42) + cells.join('');
}
