/**
 * A comparison whose runs are divided among shards. Without stages, a row is an objective with all its trials and seeds, so there
 * cannot be more shards than objectives. With two stages there can: in the stage `trials` a row is one trial, and in the stage
 * `runs`, which follows, it is one seed of an objective. Each stage has its own number of shards.
 */
import * as z from 'zod';
import { UsageError, UserError } from '../../platform/errors.ts';
import { anyNumber } from '../../shards/exact-json.ts';
import type { ShardedWork } from '../../shards/plan.ts';
import { gatherRows } from '../../shards/shard-work.ts';
import { type Comparison, compare, finishRow, finishTrial } from './compare.ts';
import type { ComparisonRow, FailedRow, RateTrial } from './records.ts';
import { assertPlan, inFileOrder, readRows, recordPlan } from './store.ts';

export const stages = ['trials', 'runs'] as const;
export type Stage = (typeof stages)[number];

/** The folder, inside that of the comparison, with the rows of the shards. */
export const shardsFolder = (stage: Stage | undefined): string => (stage === undefined ? 'shards' : `shards-${stage}`);

const trialSchema = z.object({ learning_rate: anyNumber, score: anyNumber.nullable() }) satisfies z.ZodType<RateTrial>;
const intervals = z.record(z.string(), z.object({ value: anyNumber, low: anyNumber, high: anyNumber }));
const curve = z.array(z.object({ step: z.int(), rollouts: z.int(), seconds: anyNumber, value: anyNumber }));
const common = { objective: z.string(), seed: z.int(), learning_rate: anyNumber, trials: z.array(trialSchema) };

const comparisonRowSchema = z.union([
  z.object({ ...common, failed: z.string() }) satisfies z.ZodType<FailedRow>,
  z.object({
    ...common,
    rollouts: z.int(),
    seconds: anyNumber,
    seconds_per_step: anyNumber,
    before: intervals,
    after: intervals,
    pass: intervals,
    reward: curve,
    validation: curve,
    run: z.string(),
    device: z.string(),
    version: z.string(),
    finished_at: z.string(),
  }) satisfies z.ZodType<ComparisonRow>,
]);

/** A row that a shard computes: the finished seeds of an objective, or in the stage `trials` one trial. */
export type ComparisonShardRow =
  | { readonly seeds: readonly (ComparisonRow | FailedRow)[] }
  | { readonly trial: RateTrial };

export const comparisonShardSchema: z.ZodType<ComparisonShardRow> = z.union([
  z.object({ seeds: z.array(comparisonRowSchema) }),
  z.object({ trial: trialSchema }),
]);

/** The rows of a comparison, or of one of its stages, ready to be computed. */
export interface ShardedComparison {
  readonly work: Omit<ShardedWork, 'about'>;
  compute(first: number): Promise<ComparisonShardRow[]>;
}

/**
 * Prepares a comparison for a shard. `baseDigest` is that of the base's weights.
 *
 * @param trialsFolder the folder with the rows of the stage of trials
 */
export async function shardedComparison(
  comparison: Comparison,
  stage: Stage | undefined,
  { baseDigest, trialsFolder }: { readonly baseDigest: string; readonly trialsFolder: string },
): Promise<ShardedComparison> {
  const { dir, plan, variants, seeds } = comparison;
  const { learning_rates: rates } = plan;
  if (seeds === 0)
    throw new UsageError('--seeds 0 shows existing results, so there is nothing to divide; leave it out.');
  if (stage === 'trials' && rates.length === 1)
    throw new UsageError('With --trials 1 there are no trials to divide; leave out --stage trials.');
  await assertPlan(dir, plan);
  const inputs = { plan, objectives: variants.map(({ label }) => label), base_digest: baseDigest };
  const command = 'compare';
  const begin = () => recordPlan(dir, plan);
  if (stage === undefined)
    return {
      work: { command, inputs: { ...inputs, seeds }, rows: inputs.objectives, rowsPerPart: 1 },
      compute: async (first) => {
        const { label } = variants[first]!;
        const rows = await compare({ ...comparison, variants: [variants[first]!] });
        return [{ seeds: rows.filter(({ objective, seed }) => objective === label && seed < seeds) }];
      },
    };
  const length = stage === 'trials' ? rates.length : seeds;
  const units = variants.flatMap((variant) => Array.from({ length }, (_, index) => ({ variant, index })));
  const nameOf = (label: string, index: number) =>
    stage === 'trials' ? trialName(label, rates[index]!) : `${label}, seed ${index}`;
  const work = {
    command,
    inputs: { ...inputs, stage, ...(stage === 'runs' ? { seeds } : {}) },
    rows: units.map(({ variant: { label }, index }) => nameOf(label, index)),
    rowsPerPart: 1,
  };
  if (stage === 'trials')
    return {
      work,
      compute: async (first) => {
        await begin();
        const { variant, index } = units[first]!;
        return [{ trial: await finishTrial(comparison, variant, index) }];
      },
    };
  const trials = rates.length === 1 ? new Map<string, RateTrial>() : await finishedTrials(trialsFolder);
  return {
    work,
    compute: async (first) => {
      await begin();
      const { variant, index: seed } = units[first]!;
      const known = (await readRows(dir)).find((row) => row.objective === variant.label && row.seed === seed);
      if (known) return [{ seeds: [known] }];
      const own = rates.length === 1 ? [] : rates.map((rate) => trialOf(trials, trialName(variant.label, rate), dir));
      return [{ seeds: [await finishRow(comparison, variant, seed, own)] }];
    },
  };
}

const trialName = (label: string, rate: number): string => `${label}, learning rate ${rate}`;

/** All trials by name. Throws a `UserError` that names the shards that have not finished. */
async function finishedTrials(folder: string): Promise<Map<string, RateTrial>> {
  const { plan, rows } = await gatherRows(folder, 'compare', comparisonShardSchema);
  return new Map(rows.flatMap((row, index) => ('trial' in row ? [[plan.rows[index]!, row.trial] as const] : [])));
}

function trialOf(trials: ReadonlyMap<string, RateTrial>, name: string, dir: string): RateTrial {
  const trial = trials.get(name);
  if (!trial)
    throw new UserError(`${dir} has no trial of ${name}; run --stage trials with the same --objectives first.`);
  return trial;
}

/** The rows of a gathered comparison, in the order of `readRows`. */
export function gatheredComparisonRows(rows: readonly ComparisonShardRow[]): (ComparisonRow | FailedRow)[] {
  const finished = rows.flatMap((row) => ('seeds' in row ? row.seeds : []));
  return inFileOrder(finished);
}
