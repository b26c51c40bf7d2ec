import path from 'node:path';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { assertDenoises } from '../../model/config.ts';
import { UsageError } from '../../platform/errors.ts';
import { dataHome, writeAtomic, writeJson } from '../../platform/files.ts';
import { readSettings } from '../../platform/settings.ts';
import { bundledModelFor } from '../../protocol/bundled-models.ts';
import { taskByName } from '../../tasks/registry.ts';
import { compare } from '../../tuning/comparison/compare.ts';
import { measureCosts } from '../../tuning/comparison/costs.ts';
import { comparisonPage } from '../../tuning/comparison/page.ts';
import type { ComparisonPlan } from '../../tuning/comparison/records.ts';
import { readCosts } from '../../tuning/comparison/store.ts';
import { markdownTable, summarise } from '../../tuning/comparison/summary.ts';
import { variantOf } from '../../tuning/comparison/variants.ts';
import { checkObjective } from '../../tuning/objectives/registry.ts';
import { tuningSettings } from '../../tuning/settings.ts';
import { type AddCommand, type EngineOptions, engineOf, wholeNumber, withEngine, withSettings } from '../command.ts';

interface CompareOptions extends EngineOptions {
  readonly task: string;
  readonly objectives: string;
  readonly seeds: number;
  readonly model?: string;
  readonly steps: number;
  readonly trials: number;
  readonly trialSteps?: number;
  readonly problems: number;
  readonly samples: number;
  readonly costSteps?: number;
  readonly out?: string;
  readonly config?: string;
  readonly set: readonly string[];
}

export function addCompare(add: AddCommand): void {
  withSettings(
    withEngine(
      add<CompareOptions>(
        'compare',
        'Compare objectives on a task with the same base, rollouts and evaluation and several seeds; continues an interrupted comparison',
        async (options, { signal, progress }) => {
          const task = taskByName(options.task);
          if (!(task.generate && task.heldOut))
            throw new UsageError(
              `${task.name} has no problems of its own, so objectives cannot be compared on it; choose another task.`,
            );
          const labels = [...new Set(options.objectives.split(',').map((label) => label.trim()))];
          const settings = await readSettings(
            tuningSettings,
            { file: options.config, pairs: options.set },
            task.tuning,
          );
          // Invalid settings of any objective are found before the first run starts.
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
          const dir = path.resolve(options.out ?? path.join(dataHome(), 'comparisons', task.name));
          const engine = await engineOf(options);
          const comparison = { engine, dir, plan, variants, seeds: options.seeds, signal, progress };
          const rows = await compare(comparison);
          const costs =
            options.costSteps === undefined ? await readCosts(dir) : await measureCosts(comparison, options.costSteps);
          const summaries = summarise(rows, labels, costs);
          const table = markdownTable(summaries);
          const page = path.join(dir, 'index.html');
          await writeAtomic(
            page,
            comparisonPage({
              plan,
              rows,
              summaries,
              costs,
              command: commandOf({ ...options, seeds: options.seeds || seedsOf(rows) }),
            }),
          );
          await writeAtomic(path.join(dir, 'table.md'), table);
          const document = { task: task.name, rows: summaries, page };
          // A relative path, so the folder can be moved.
          await writeJson(path.join(dir, 'comparison.json'), { ...document, page: path.basename(page) });
          return { document, lines: [...table.trimEnd().split('\n'), `page: ${page}`] };
        },
      ),
    ),
  )
    .requiredOption('--task <name>', 'task to compare on')
    .requiredOption(
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
        'steps of each by which it is measured what a step costs, for when nothing else runs',
      ),
    )
    .option('--out <folder>', 'folder of the comparison (default: in the data home)');
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

function commandOf(options: CompareOptions): string {
  const { task, objectives, seeds, steps, trials, problems, samples, config, set } = options;
  return [
    `npx unmask compare --task ${task} --objectives ${objectives} --seeds ${seeds} --steps ${steps}`,
    `  --trials ${trials} --problems ${problems} --samples ${samples}`,
    ...(options.trialSteps === undefined ? [] : [`  --trial-steps ${options.trialSteps}`]),
    ...(config === undefined ? [] : [`  --config ${path.basename(config)}`]),
    ...set.map((pair) => `  --set '${pair}'`),
  ].join(' \\\n');
}
