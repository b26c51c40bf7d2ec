import { stat } from 'node:fs/promises';
import path from 'node:path';
import { bundledCodeModel } from '../../catalogue/find-model.ts';
import { type LearnResult, resumeLearning, startLearning } from '../../learning/learn-run.ts';
import { removeLearned } from '../../learning/learned-model.ts';
import { learningSettings } from '../../learning/settings.ts';
import { count } from '../../platform/amounts.ts';
import { UsageError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { readSettings } from '../../platform/settings.ts';
import type { Interval } from '../../protocol/interval.ts';
import { findRun, readConfiguration } from '../../runs/directory.ts';
import {
  type AddCommand,
  type CommandResult,
  type EngineOptions,
  engineOf,
  engineOfRun,
  positiveNumber,
  refuseWithResume,
  wholeNumber,
  withEngine,
  withSettings,
} from '../command.ts';
import { progressHooks } from '../training-progress.ts';

interface LearnOptions extends EngineOptions {
  readonly workspace?: string;
  readonly minutes: number;
  readonly model: string;
  readonly undo?: boolean;
  readonly seed: number;
  readonly runs?: string;
  readonly resume?: string;
  readonly config?: string;
  readonly set: readonly string[];
}

export function addLearn(add: AddCommand): void {
  withSettings(
    withEngine(
      add<LearnOptions>(
        'learn',
        'Train a model on the files of a workspace, and keep it for that workspace if it is better on held-out files',
        async (options, context) => {
          const root = options.runs === undefined ? path.join(dataHome(), 'runs') : path.resolve(options.runs);
          const hooks = progressHooks(context);
          if (options.resume !== undefined) {
            refuseWithResume(context);
            const dir = await findRun(root, options.resume);
            return shown(await resumeLearning(await engineOfRun(options, await readConfiguration(dir)), dir, hooks));
          }
          if (options.workspace === undefined)
            throw new UsageError('unmask learn needs --workspace, or --resume with a run directory.');
          const workspace = path.resolve(options.workspace);
          if (options.undo) return undone(workspace);
          if (!(await stat(workspace).catch(() => null))?.isDirectory())
            throw new UsageError(`--workspace ${options.workspace}: there is no such folder.`);
          const settings = await readSettings(learningSettings, { file: options.config, pairs: options.set }, {});
          const { model, seed } = options;
          const request = { workspace, model, seconds: 60 * options.minutes, seed, settings };
          return shown(await startLearning(await engineOf(options), root, request, hooks));
        },
      ),
    ),
  )
    .option('--workspace <folder>', 'workspace to train on')
    .addOption(
      positiveNumber('--minutes <n>', 'minutes of training, not counting the measurements before and after').default(
        10,
      ),
    )
    .option('--model <model>', 'model to start from: a name, a checkpoint or adapter folder', bundledCodeModel)
    .option('--undo', 'remove the model that was learned on the workspace')
    .addOption(wholeNumber('--seed <seed>', 'seed for texts, masks and gaps', 0).default(0))
    .option('--runs <folder>', 'folder of runs (default: in the data home)')
    .option('--resume <run>', 'resume a run from its last checkpoint');
}

async function undone(workspace: string): Promise<CommandResult> {
  const { name, base } = await removeLearned(workspace);
  return {
    document: { removed: name, base },
    lines: [`Removed ${name}.${base === null ? '' : ` It was learned from ${base}, which is unchanged.`}`],
  };
}

function shown(result: LearnResult): CommandResult {
  const { kept, model, gaps, held_out_files: files, before, after, difference, elsewhere, steps, tokens } = result;
  const change = (from: Interval, to: Interval, by: Interval) =>
    `${from.value.toFixed(3)} before, ${to.value.toFixed(3)} after (${signed(by.value)} [${signed(by.low)}, ${signed(by.high)}])`;
  return {
    document: result,
    lines: [
      `${count(steps, 'step')} on ${count(tokens, 'token')} in ${result.training_seconds.toFixed(0)} s`,
      `Right in ${count(gaps, 'gap')} of ${count(files, 'held-out file')}, with copies: ${change(before, after, difference)}`,
      ...(elsewhere
        ? [
            `Right in ${count(elsewhere.gaps, 'gap')} of other code: ${change(elsewhere.before, elsewhere.after, elsewhere.difference)}`,
          ]
        : []),
      kept
        ? `Kept as ${model}, for this workspace. To remove it, run \`unmask learn --workspace DIR --undo\`.`
        : 'Not kept: the interval of the difference is not above 0. The model in use is unchanged.',
      `run: ${result.dir}`,
    ],
  };
}

const signed = (value: number): string => `${value > 0 ? '+' : ''}${value.toFixed(3)}`;
