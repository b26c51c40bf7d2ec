import path from 'node:path';
import { count } from '../../platform/amounts.ts';
import { UsageError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { readSettings } from '../../platform/settings.ts';
import { findRun, readConfiguration } from '../../runs/directory.ts';
import { resumeConversion, startConversion, usualConversionSteps } from '../../training/conversion/conversion-run.ts';
import { type ConversionRequest, conversionRecipe, conversionSettings } from '../../training/conversion/settings.ts';
import { pretrainingSettings } from '../../training/pretrain.ts';
import { resumePretraining, startPretraining } from '../../training/pretraining-run.ts';
import type { PretrainingResult } from '../../training/publishing-run.ts';
import { recipeByName } from '../../training/recipes.ts';
import {
  type AddCommand,
  type CommandResult,
  type EngineOptions,
  engineOf,
  engineOfRun,
  refuseWithResume,
  wholeNumber,
  withEngine,
  withSettings,
} from '../command.ts';
import { outputFolder } from '../output-folder.ts';
import { progressHooks } from '../training-progress.ts';

interface PretrainOptions extends EngineOptions {
  readonly model?: string;
  readonly recipe?: string;
  readonly from?: string;
  readonly steps?: number;
  readonly seed: number;
  readonly runs?: string;
  readonly resume?: string;
  readonly config?: string;
  readonly set: readonly string[];
}

export function addPretrain(add: AddCommand): void {
  withSettings(
    withEngine(
      add<PretrainOptions>('pretrain', 'Train a base model', async (options, context) => {
        const root = options.runs === undefined ? path.join(dataHome(), 'runs') : path.resolve(options.runs);
        const hooks = progressHooks(context);
        if (options.resume !== undefined) {
          refuseWithResume(context, '--steps');
          const dir = await findRun(root, options.resume);
          const configuration = await readConfiguration(dir);
          const engine = await engineOfRun(options, configuration);
          const resume = configuration.task === conversionRecipe ? resumeConversion : resumePretraining;
          return shown(await resume(engine, dir, hooks, options.steps));
        }
        if (options.recipe === undefined || options.model === undefined)
          throw new UsageError('unmask pretrain needs --recipe and --model, or --resume with a run directory.');
        if (options.recipe === conversionRecipe)
          return shown(await startConversion(await engineOf(options), root, await conversionRequest(options), hooks));
        const recipe = recipeByName(options.recipe);
        const settings = await readSettings(
          pretrainingSettings,
          { file: options.config, pairs: options.set },
          { preset: recipe.preset, ...recipe.settings },
        );
        const { seed } = options;
        const request = {
          recipe: recipe.name,
          from: options.from ?? null,
          output: outputFolder(options.model),
          steps: options.steps ?? recipe.steps,
          seed,
          settings,
        };
        return shown(await startPretraining(await engineOf(options), root, request, hooks));
      }),
    ),
  )
    .option(
      '--recipe <name>',
      'training recipe, which sets the data and the kind of model; convert makes an autoregressive model denoise',
    )
    .option('--model <output>', 'the new model: a folder, or a name in the data home')
    .option(
      '--from <model>',
      'model to start from, with the same shape and tokens (default: random weights); the base for the recipe convert',
    )
    .addOption(wholeNumber('--steps <n>', "total steps (default: the recipe's, or those of the resumed run)"))
    .addOption(wholeNumber('--seed <seed>', 'seed for weights, examples and masks', 0).default(0))
    .option('--runs <folder>', 'folder of runs (default: in the data home)')
    .option('--resume <run>', 'resume a run from its last checkpoint');
}

/** The request for a conversion that the options describe. */
async function conversionRequest({
  from,
  model,
  steps,
  seed,
  config,
  set,
}: PretrainOptions): Promise<ConversionRequest> {
  if (from === undefined)
    throw new UsageError(
      'The recipe convert needs --from with an autoregressive model; `unmask models list` shows them.',
    );
  return {
    from,
    output: outputFolder(model as string),
    steps: steps ?? usualConversionSteps,
    seed,
    settings: await readSettings(conversionSettings, { file: config, pairs: set }, {}),
  };
}

function shown(result: PretrainingResult): CommandResult {
  return {
    document: result,
    lines: [
      `${count(result.steps, 'step')} in ${result.seconds.toFixed(0)} s`,
      ...Object.entries(result.metrics).map(
        ([name, { value, low, high }]) =>
          `${name.padEnd(24)} ${value.toFixed(3)}  [${low.toFixed(3)}, ${high.toFixed(3)}]`,
      ),
      `model: ${result.model}`,
    ],
  };
}
