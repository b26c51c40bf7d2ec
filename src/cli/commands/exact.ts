import * as z from 'zod';
import { Interrupted } from '../../platform/errors.ts';
import { anyNumber } from '../../shards/exact-json.ts';
import { type BoundRow, boundTable } from '../../tuning/exact/bound-table.ts';
import { type EstimatorRow, EstimatorSetup, everyEstimator } from '../../tuning/exact/estimators.ts';
import {
  type AddCommand,
  type CommandContext,
  type CommandResult,
  type EngineOptions,
  engineOf,
  wholeNumber,
  withEngine,
} from '../command.ts';
import {
  computeShard,
  gatherShards,
  refuseUnusedFolder,
  type ShardOptions,
  shardChoice,
  withShards,
} from '../shard-options.ts';

interface ExactOptions extends EngineOptions, ShardOptions {
  readonly draws: number;
  readonly seed: number;
}

/** Tokens per completion, and denoising steps of the bounds. */
const length = 4;
const steps = 16;
const betas = [1, 1.5, 2, 4, 8];

export function addExact(add: AddCommand): void {
  withShards(
    withEngine(
      add<ExactOptions>(
        'exact',
        'Compare the gradient of every objective with the exact policy gradient of a tiny model',
        exact,
      ),
    )
      .addOption(wholeNumber('--draws <n>', 'number of estimates of each gradient').default(400))
      .addOption(wholeNumber('--seed <seed>', 'random seed', 0).default(0)),
  );
}

const boundSchema = z.object({
  beta: anyNumber,
  elbo: anyNumber,
  log_likelihood: anyNumber,
  eubo: anyNumber,
  eubo_with_constant: anyNumber,
  below: anyNumber,
}) satisfies z.ZodType<BoundRow>;
const estimatorSchema = z.object({
  estimator: z.string(),
  cosine: anyNumber,
  bias: anyNumber,
  bias_error: anyNumber,
  noise: anyNumber,
}) satisfies z.ZodType<EstimatorRow>;

/** The rows that shards share: the table of bounds, and each estimator. */
const rowSchema = z.union([z.object({ bounds: z.array(boundSchema) }), estimatorSchema]);

async function exact(options: ExactOptions, context: CommandContext): Promise<CommandResult> {
  const { draws, seed } = options;
  const choice = shardChoice(options);
  if (choice?.kind === 'gather') {
    const { plan, rows } = await gatherShards(choice, 'exact', rowSchema, options, context);
    const bounds = rows.flatMap((row) => ('bounds' in row ? row.bounds : []));
    const estimators = rows.flatMap((row) => ('bounds' in row ? [] : [row]));
    return shown(plan.inputs as { draws: number; seed: number }, bounds, estimators);
  }
  if (choice === null) refuseUnusedFolder(options);
  const engine = await engineOf(options);
  const boundsOf = () => boundTable(engine, { seed, length, steps, betas });
  const estimators = everyEstimator(length);
  if (choice === null) {
    const bounds = await boundsOf();
    const setup = await EstimatorSetup.open(engine, { seed, length });
    try {
      const progress = (done: number) => reportDraw(done, draws, context);
      return shown({ draws, seed }, bounds, await setup.measure(estimators, { draws, seed, progress }));
    } finally {
      await setup.dispose();
    }
  }
  let setup: EstimatorSetup | undefined;
  try {
    return await computeShard(
      choice,
      {
        command: 'exact',
        inputs: { draws, seed },
        rows: ['bounds', ...estimators.map(({ name }) => name)],
        rowsPerPart: 1,
        schema: rowSchema,
        engine,
        compute: async (first) => {
          if (first === 0) return [{ bounds: await boundsOf() }];
          const estimator = estimators[first - 1]!;
          setup ??= await EstimatorSetup.open(engine, { seed, length });
          const progress = (done: number) => reportDraw(done, draws, context, `${estimator.name}: `);
          return setup.measure([estimator], { draws, seed, progress });
        },
      },
      options,
      context,
    );
  } finally {
    await setup?.dispose();
  }
}

function reportDraw(done: number, draws: number, { signal, progress }: CommandContext, what = ''): void {
  if (signal.aborted) throw new Interrupted('The measurement was stopped; what was not finished is not saved.');
  if (done % 50 === 0) progress(`${what}${done} of ${draws} draws`);
}

function shown(
  { draws, seed }: { readonly draws: number; readonly seed: number },
  bounds: readonly BoundRow[],
  estimators: readonly EstimatorRow[],
): CommandResult {
  return {
    document: { length, steps, draws, seed, bounds, estimators },
    lines: [
      `Completions of ${length} letters out of 4, from a randomly initialised model; bounds summed over all ${4 ** length} texts, with ${steps} steps, in nats`,
      row('beta', ['ELBO', 'log p', 'EUBO', 'EUBO + C', 'below']),
      ...bounds.map(({ beta, elbo, log_likelihood, eubo, eubo_with_constant, below }) =>
        row(String(beta), [elbo, log_likelihood, eubo, eubo_with_constant, below]),
      ),
      '',
      `Gradient estimates compared with the enumerated policy gradient: ${draws} draws of 4 groups`,
      row('objective', ['cosine', 'bias', '+-', 'noise']),
      ...estimators.map(({ estimator, cosine, bias, bias_error, noise }) =>
        row(estimator, [cosine, bias, bias_error, noise]),
      ),
    ],
  };
}

function row(name: string, values: readonly (number | string)[]): string {
  const cells = values.map((value) => (typeof value === 'number' ? value.toFixed(3) : value).padStart(9));
  return name.padEnd(42) + cells.join('');
}
