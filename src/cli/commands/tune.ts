import path from 'node:path';
import { findModel } from '../../catalogue/find-model.ts';
import { refuseUnusedLimit } from '../../evaluation/settings.ts';
import { count } from '../../platform/amounts.ts';
import { UsageError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { readSettings } from '../../platform/settings.ts';
import { bundledModelFor } from '../../protocol/bundled-models.ts';
import { findRun, readConfiguration } from '../../runs/directory.ts';
import { taskByName } from '../../tasks/registry.ts';
import { objectiveByName } from '../../tuning/objectives/registry.ts';
import { tuningSettings } from '../../tuning/settings.ts';
import { resumeTuning, startTuning, type TuningHooks, type TuningResult } from '../../tuning/tuning-run.ts';
import { queueWorkers } from '../../workers/remote-run.ts';
import {
  type AddCommand,
  type CommandContext,
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
import { openQueue } from '../open-queue.ts';
import { progressHooks } from '../training-progress.ts';
import { chosenTask, problemFile, testCommandOption } from './discover.ts';

interface TuneOptions extends EngineOptions {
  readonly task?: string;
  readonly objective: string;
  readonly model?: string;
  readonly data?: string;
  readonly workspace?: string;
  readonly testCommand?: string;
  readonly steps?: number;
  readonly timeLimit?: number;
  readonly seed: number;
  readonly runs?: string;
  readonly resume?: string;
  readonly test: number;
  readonly config?: string;
  readonly set: readonly string[];
  readonly workers?: string;
  readonly sendCodeTo?: string;
}

/** The number of steps if neither steps nor a time limit is given. */
const defaultSteps = 100;

export function addTune(add: AddCommand): void {
  withSettings(
    withEngine(
      add<TuneOptions>('tune', 'Tune a model by reinforcement learning on a task', async (options, context) => {
        const root = options.runs === undefined ? path.join(dataHome(), 'runs') : path.resolve(options.runs);
        if (options.resume !== undefined) {
          refuseWithResume(context, '--workers', '--send-code-to');
          const dir = await findRun(root, options.resume);
          const engine = await engineOfRun(options, await readConfiguration(dir));
          return withWorkers(options, context, async (hooks) => shown(await resumeTuning(engine, dir, hooks)));
        }
        const task = chosenTask(options);
        if (task === undefined)
          throw new UsageError('unmask tune needs --task, --workspace, or --resume with a run directory.');
        const { tuning } = taskByName(task);
        objectiveByName(options.objective);
        // Workers generate one group at a time.
        const batch = options.workers === undefined ? {} : { rollout_batch: 'group' };
        const defaults = { ...tuning, ...batch };
        const settings = await readSettings(tuningSettings, { file: options.config, pairs: options.set }, defaults);
        refuseUnusedLimit(settings);
        const { objective, seed } = options;
        const model = options.model ?? bundledModelFor(task);
        const timeLimit = options.timeLimit ?? null;
        const steps = options.steps ?? (timeLimit === null ? defaultSteps : null);
        // A model that does not exist is reported before the tests of a workspace run, which can take minutes.
        await findModel(model);
        const data = await problemFile({ ...options, task }, 'all', root, context);
        const request = {
          task,
          objective,
          model,
          seed,
          steps,
          timeLimit,
          settings,
          data,
          testProblems: options.test,
        };
        const engine = await engineOf(options);
        return withWorkers(options, context, async (hooks) => shown(await startTuning(engine, root, request, hooks)));
      }),
    ),
  )
    .option('--task <name>', 'task to tune on (default with --workspace: workspace)')
    .option('--objective <name>', 'policy-gradient method; `unmask objectives` lists them', 'spg-mixture')
    .option(
      '--model <model>',
      'model to start from: a name, a checkpoint or adapter folder, or a run directory (default: the bundled model for the task)',
    )
    .option('--data <file>', 'problems to train on (default: generated ones)')
    .option('--workspace <folder>', 'workspace whose tests give the reward')
    .option(...testCommandOption)
    .addOption(
      wholeNumber('--steps <n>', `number of steps (default: ${defaultSteps}, or as many as the time limit allows)`),
    )
    .addOption(positiveNumber('--time-limit <seconds>', 'training time in seconds, not counting evaluations'))
    .addOption(wholeNumber('--seed <seed>', 'seed for problems, rollouts and masks', 0).default(0))
    .option('--runs <folder>', 'folder of runs (default: in the data home)')
    .option('--resume <run>', 'resume a run from its last checkpoint')
    .option(
      '--workers <url>',
      'share rollouts and rewards with the workers (`unmask worker`) at this Redis server: redis://HOST or rediss://HOST',
    )
    .option(
      '--send-code-to <host>',
      'allow --workers to be on this other machine, which then gets prompts, problems and the trained weights',
    )
    .addOption(
      wholeNumber('--test <n>', 'held-out problems for the evaluations before and after tuning; 0: none', 0).default(
        128,
      ),
    );
}

/** Runs a job with the hooks of the terminal, and with workers if there are to be some. */
async function withWorkers<Result>(
  { workers, sendCodeTo }: Pick<TuneOptions, 'workers' | 'sendCodeTo'>,
  context: CommandContext,
  work: (hooks: TuningHooks) => Promise<Result>,
): Promise<Result> {
  const hooks = progressHooks(context);
  if (workers === undefined) {
    if (sendCodeTo !== undefined) throw new UsageError('--send-code-to needs --workers.');
    return work(hooks);
  }
  const server = await openQueue(workers, { option: '--workers', allowedHost: sendCodeTo, as: 'trainer' }, context);
  try {
    return await work({ ...hooks, workers: queueWorkers(server) });
  } finally {
    await server.close();
  }
}

function shown(result: TuningResult): CommandResult {
  const change = (name: string) => {
    const [before, after] = [result.before?.[name], result.after?.[name]];
    return before && after
      ? [
          `${name}: ${before.value.toFixed(3)} before, ${after.value.toFixed(3)} after [${after.low.toFixed(3)}, ${after.high.toFixed(3)}]`,
        ]
      : [];
  };
  return {
    document: result,
    lines: [
      `${count(result.steps, 'step')} in ${result.seconds.toFixed(0)} s`,
      ...Object.keys(result.after ?? {}).flatMap(change),
      `run: ${result.dir}`,
      `model: ${result.checkpoint}`,
    ],
  };
}
