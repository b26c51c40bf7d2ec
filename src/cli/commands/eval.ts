import path from 'node:path';
import { bundledPuzzleModel } from '../../catalogue/find-model.ts';
import { resumeEvaluation, startEvaluation } from '../../evaluation/evaluation-run.ts';
import { evaluationSettings } from '../../evaluation/settings.ts';
import { UsageError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { readSettings } from '../../platform/settings.ts';
import type { EvaluationDocument } from '../../protocol/evaluation.ts';
import { findRun, readConfiguration } from '../../runs/directory.ts';
import { taskByName } from '../../tasks/registry.ts';
import {
  type AddCommand,
  type CommandContext,
  type CommandResult,
  type EngineOptions,
  engineOf,
  engineOfRun,
  refuseBesideResume,
  wholeNumber,
  withEngine,
  withSettings,
} from '../command.ts';
import { activityLines, duration } from '../training-progress.ts';
import { problemFile, testCommandOption } from './discover.ts';

interface EvalOptions extends EngineOptions {
  readonly task?: string;
  readonly data?: string;
  readonly workspace?: string;
  readonly testCommand?: string;
  readonly model: string;
  readonly limit?: number;
  readonly samples: number;
  readonly seed: number;
  readonly runs?: string;
  readonly resume?: string;
  readonly config?: string;
  readonly set: readonly string[];
  readonly asReleased?: boolean;
  readonly skipBroken?: boolean;
  readonly heldOut?: boolean;
}

export function addEval(add: AddCommand): void {
  withSettings(
    withEngine(
      add<EvalOptions>('eval', 'Evaluate a model on held-out problems of a task', async (options, context) => {
        const root = evaluationsFolder(options.runs);
        const hooks = evaluationHooks(context);
        if (options.resume !== undefined) {
          refuseBesideResume(context);
          const dir = await findRun(root, options.resume, 'evaluations');
          return shown(await resumeEvaluation(await engineOfRun(options, await readConfiguration(dir)), dir, hooks));
        }
        if (options.task === undefined)
          throw new UsageError('unmask eval needs --task, or --resume with the directory of an evaluation.');
        taskByName(options.task);
        if (options.heldOut && options.data === undefined)
          throw new UsageError('--held-out belongs to a file of problems; give it with --data, or leave it out.');
        const { task, model, samples, seed } = options;
        const request = {
          task,
          model,
          samples,
          seed,
          settings: await readSettings(evaluationSettings, { file: options.config, pairs: options.set }),
          data: await problemFile({ ...options, task }, 'held out', path.join(dataHome(), 'runs'), context),
          limit: options.limit ?? null,
          skipBroken: options.skipBroken ?? false,
          heldOut: options.heldOut ?? false,
          asReleased: options.asReleased ?? false,
        };
        return shown(await startEvaluation(await engineOf(options), root, request, hooks));
      }),
    ),
  )
    .option('--task <name>', 'task to evaluate')
    .option('--data <file>', 'problems as JSON lines, a JSON array or CSV (default: generated held-out ones)')
    .option('--held-out', 'of --data only the problems that tuning on it does not see')
    .option('--workspace <folder>', 'workspace whose functions are the problems')
    .option(...testCommandOption)
    .option('--model <model>', 'model: a name, a checkpoint or adapter folder, or a run directory', bundledPuzzleModel)
    .addOption(wholeNumber('--limit <n>', 'problems to take'))
    .addOption(wholeNumber('--samples <k>', 'answers per problem; with several, pass@1 to pass@K').default(1))
    .addOption(wholeNumber('--seed <seed>', 'seed of the sampling', 0).default(0))
    .option('--runs <folder>', "folder of evaluations (default: the data home's)")
    .option('--resume <evaluation>', 'go on with an evaluation that was stopped or killed')
    .option('--as-released', 'grade as the released evaluator does')
    .option('--skip-broken', 'leave out rows that cannot be read, instead of stopping at the first');
}

/** Where evaluations lie unless told otherwise. */
export function evaluationsFolder(given: string | undefined): string {
  return given === undefined ? path.join(dataHome(), 'evaluations') : path.resolve(given);
}

function evaluationHooks({ signal, progress }: CommandContext) {
  return {
    signal,
    onPrepare: progress,
    onActivity: activityLines(progress),
    onStart: ({ dir }: { readonly dir: string }) => progress(`run ${dir}`),
    onProgress: (done: number, total: number, eta: number) =>
      progress(`${done} of ${total} answers${done < total ? `, ${duration(eta)} left` : ''}`),
  };
}

function shown(result: EvaluationDocument): CommandResult {
  const metrics = Object.entries(result.metrics).map(
    ([name, { value, low, high }]) => `${name.padEnd(14)} ${value.toFixed(3)}  [${low.toFixed(3)}, ${high.toFixed(3)}]`,
  );
  return {
    document: result,
    lines: [
      `${result.task}, ${result.n} problems`,
      ...metrics,
      `${result.forwards_per_answer.toFixed(1)} forward passes an answer, ${result.seconds.toFixed(1)} s; answers in ${result.results}`,
    ],
  };
}
