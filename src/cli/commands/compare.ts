import path from 'node:path';
import { Option } from 'commander';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { assertDenoises } from '../../model/config.ts';
import { UsageError } from '../../platform/errors.ts';
import { dataHome, writeAtomic, writeJson } from '../../platform/files.ts';
import { readSettings } from '../../platform/settings.ts';
import { bundledModelFor } from '../../protocol/bundled-models.ts';
import { hasPlan } from '../../shards/shard-work.ts';
import { taskByName } from '../../tasks/registry.ts';
import { type Comparison, compare } from '../../tuning/comparison/compare.ts';
import { measureCosts } from '../../tuning/comparison/costs.ts';
import { comparisonPage } from '../../tuning/comparison/page.ts';
import type { ComparisonPlan, ComparisonRow, Costs, FailedRow } from '../../tuning/comparison/records.ts';
import {
  comparisonShardSchema,
  gatheredComparisonRows,
  type Stage,
  shardedComparison,
  shardsFolder,
  stages,
} from '../../tuning/comparison/sharded-comparison.ts';
import { readCosts } from '../../tuning/comparison/store.ts';
import { markdownTable, summarise } from '../../tuning/comparison/summary.ts';
import { variantOf } from '../../tuning/comparison/variants.ts';
import { checkObjective } from '../../tuning/objectives/registry.ts';
import { tuningSettings } from '../../tuning/settings.ts';
import {
  type AddCommand,
  type CommandContext,
  type CommandResult,
  type EngineOptions,
  engineOf,
  wholeNumber,
  withEngine,
  withSettings,
} from '../command.ts';
import {
  computeShard,
  gatherShards,
  type ShardChoice,
  type ShardOptions,
  shardChoice,
  withShards,
} from '../shard-options.ts';

interface CompareOptions extends EngineOptions, ShardOptions {
  readonly task?: string;
  readonly objectives?: string;
  readonly stage?: Stage;
  readonly seeds: number;
  readonly model?: string;
  readonly steps: number;
  readonly trials: number;
  readonly trialSteps?: number;
  readonly problems: number;
  readonly samples: number;
  readonly costSteps?: number;
  readonly config?: string;
  readonly set: readonly string[];
}

export function addCompare(add: AddCommand): void {
  const command = withSettings(
    withEngine(
      add<CompareOptions>(
        'compare',
        'Compare objectives on a task with the same base, rollouts and evaluation and several seeds; continues an interrupted comparison',
        compareObjectives,
      ),
    ),
  )
    .option('--task <name>', 'task to compare on')
    .option(
      '--objectives <names>',
      'names of objectives, separated by commas; NAME:setting=value changes a setting for one of them',
    )
    .addOption(wholeNumber('--seeds <n>', 'runs per objective; 0: show the existing results', 0).default(5))
    .option('--model <model>', 'base model of every run (default: the bundled model for the task)')
    .addOption(wholeNumber('--steps <n>', 'steps per run').default(60))
    .addOption(wholeNumber('--trials <n>', 'learning rates to try per objective').default(3))
    .addOption(wholeNumber('--trial-steps <n>', 'steps per trial (default: a third of --steps)'))
    .addOption(wholeNumber('--problems <n>', 'held-out problems').default(256))
    .addOption(wholeNumber('--samples <k>', 'sampled answers per problem, for pass@1 to pass@K').default(8))
    .addOption(
      wholeNumber(
        '--cost-steps <n>',
        'also measure the time per step, on this many steps of each objective; use it on an otherwise idle machine',
      ),
    )
    .option('--out <folder>', 'folder of the comparison (default: in the data home)');
  withShards(command).addOption(
    new Option(
      '--stage <stage>',
      'with --shard: divide the learning-rate trials, and in a second call the runs (default: divide the objectives)',
    ).choices(stages),
  );
}

async function compareObjectives(options: CompareOptions, context: CommandContext): Promise<CommandResult> {
  const choice = await comparisonChoice(options);
  if (choice?.kind === 'gather') return gatherComparison(choice, options, context);
  const { signal, progress } = context;
  const { plan, variants } = await planOf(options);
  const { task } = plan;
  const dir = path.resolve(options.out ?? path.join(dataHome(), 'comparisons', task));
  if (choice === null && options.seeds > 0) await refuseSharedFolder(dir);
  const engine = await engineOf(options);
  const comparison = { engine, dir, plan, variants, seeds: options.seeds, signal, progress };
  if (choice !== null) return shareComparison(comparison, choice, options, context);
  const rows = await compare(comparison);
  const costs =
    options.costSteps === undefined ? await readCosts(dir) : await measureCosts(comparison, options.costSteps);
  const command = commandOf({ ...options, seeds: options.seeds || seedsOf(rows) }, plan);
  return writeComparison({ dir, plan, objectives: variants.map(({ label }) => label), rows, costs, command });
}

/** Reads and checks all options. Invalid settings of any objective are found before the first run starts. */
async function planOf(options: CompareOptions) {
  if (options.task === undefined || options.objectives === undefined)
    throw new UsageError('unmask compare needs --task and --objectives, or --gather with the folder of its shards.');
  const task = taskByName(options.task);
  if (!(task.generate && task.heldOut))
    throw new UsageError(
      `${task.name} has no problems of its own, so objectives cannot be compared on it; choose another task.`,
    );
  const labels = [...new Set(options.objectives.split(',').map((label) => label.trim()))];
  const settings = await readSettings(tuningSettings, { file: options.config, pairs: options.set }, task.tuning);
  const model = options.model ?? bundledModelFor(task.name);
  const { config } = await resolveModel(model);
  assertDenoises(config);
  const variants = await Promise.all(labels.map((label) => variantOf(label, settings)));
  for (const { objective, settings: own } of variants) {
    checkObjective(objective, own, config);
    task.heldOut('test', options.problems, own.task_options);
  }
  const plan: ComparisonPlan = {
    task: task.name,
    model,
    steps: options.steps,
    trial_steps: options.trialSteps ?? Math.max(1, Math.ceil(options.steps / 3)),
    learning_rates: learningRates(settings.learning_rate, options.trials),
    problems: options.problems,
    samples: options.samples,
    settings,
  };
  return { plan, variants };
}

/** How the command gets its rows. Without a stage, the rows of the last stage that began are gathered. */
async function comparisonChoice(options: CompareOptions): Promise<ShardChoice> {
  const { stage } = options;
  if (stage !== undefined && options.shard === undefined)
    throw new UsageError('--stage belongs to --shard; leave it out.');
  if (options.costSteps !== undefined && (options.shard !== undefined || options.gather))
    throw new UsageError('--cost-steps measures times on one idle machine; use it after the shards, with --seeds 0.');
  const choice = shardChoice(options, shardsFolder(stage));
  if (choice === null) return null;
  const dir = path.dirname(choice.folder);
  const [whole, runs, trials] = await Promise.all(
    ([undefined, 'runs', 'trials'] as const).map((each) => hasPlan(path.join(dir, shardsFolder(each)))),
  );
  if (choice.kind === 'gather')
    return runs || trials ? { ...choice, folder: path.join(dir, shardsFolder('runs')) } : choice;
  if (stage === undefined ? runs || trials : whole)
    throw new UsageError(
      `${dir} contains shards that were run ${stage === undefined ? 'with' : 'without'} --stage; run all shards in the same way, or choose another folder with --out.`,
    );
  return choice;
}

async function refuseSharedFolder(dir: string): Promise<void> {
  for (const stage of [undefined, ...stages])
    if (await hasPlan(path.join(dir, shardsFolder(stage))))
      throw new UsageError(
        `${dir} contains shards; show their result with --gather, or choose another folder with --out.`,
      );
}

async function shareComparison(
  comparison: Comparison,
  choice: Extract<ShardChoice, { kind: 'shard' }>,
  options: CompareOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { engine, dir, plan } = comparison;
  const { work, compute } = await shardedComparison(comparison, options.stage, {
    baseDigest: await (await resolveModel(plan.model)).digest(),
    trialsFolder: path.join(dir, shardsFolder('trials')),
  });
  const about = { command: commandOf(options, plan) };
  return computeShard(choice, { ...work, about, compute, schema: comparisonShardSchema, engine }, options, context);
}

async function gatherComparison(
  choice: Extract<ShardChoice, { kind: 'gather' }>,
  options: CompareOptions,
  context: CommandContext,
): Promise<CommandResult> {
  const { plan, rows } = await gatherShards(choice, 'compare', comparisonShardSchema, options, context);
  const dir = path.dirname(choice.folder);
  return writeComparison({
    dir,
    plan: plan.inputs.plan as ComparisonPlan,
    objectives: plan.inputs.objectives as string[],
    rows: gatheredComparisonRows(rows),
    costs: await readCosts(dir),
    command: plan.about.command as string,
  });
}

interface FinishedComparison {
  readonly dir: string;
  readonly plan: ComparisonPlan;
  readonly objectives: readonly string[];
  readonly rows: readonly (ComparisonRow | FailedRow)[];
  readonly costs: Costs | null;
  /** The command that reproduces it. */
  readonly command: string;
}

/** Writes page, table and document into the folder of the comparison. */
async function writeComparison({
  dir,
  plan,
  objectives,
  rows,
  costs,
  command,
}: FinishedComparison): Promise<CommandResult> {
  const summaries = summarise(rows, objectives, costs);
  const table = markdownTable(summaries);
  const page = path.join(dir, 'index.html');
  await writeAtomic(page, comparisonPage({ plan, rows, summaries, costs, command }));
  await writeAtomic(path.join(dir, 'table.md'), table);
  const document = { task: plan.task, rows: summaries, page };
  // A relative path, so the folder can be moved.
  await writeJson(path.join(dir, 'comparison.json'), { ...document, page: path.basename(page) });
  return { document, lines: [...table.trimEnd().split('\n'), `page: ${page}`] };
}

/** Learning rates a factor of three apart, with the given one in the middle. */
function learningRates(middle: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) =>
    Math.min(1, Number((middle * 3 ** (index - (count - 1) / 2)).toPrecision(3))),
  );
}

/** The number of seeds of an existing comparison: the most that any objective has. */
const seedsOf = (rows: readonly { readonly seed: number }[]): number =>
  rows.reduce((most, { seed }) => Math.max(most, seed + 1), 0);

function commandOf(options: CompareOptions, { task }: ComparisonPlan): string {
  const { objectives, seeds, steps, trials, problems, samples, config, set } = options;
  return [
    `npx unmask compare --task ${task} --objectives ${objectives} --seeds ${seeds} --steps ${steps}`,
    `  --trials ${trials} --problems ${problems} --samples ${samples}`,
    ...(options.trialSteps === undefined ? [] : [`  --trial-steps ${options.trialSteps}`]),
    ...(config === undefined ? [] : [`  --config ${path.basename(config)}`]),
    ...set.map((pair) => `  --set '${pair}'`),
  ].join(' \\\n');
}
