import path from 'node:path';
import { Option } from 'commander';
import { findModel } from '../../catalogue/find-model.ts';
import { evaluatedPart } from '../../evaluation/evaluated-part.ts';
import { type AnswersEstimate, resumeEvaluation, startEvaluation } from '../../evaluation/evaluation-run.ts';
import type { EvaluationRequest } from '../../evaluation/prepared-evaluation.ts';
import { evaluationSettings, refuseUnusedLimit } from '../../evaluation/settings.ts';
import { gatherEvaluation, problemRowSchema, shardedEvaluation } from '../../evaluation/sharded-evaluation.ts';
import { count } from '../../platform/amounts.ts';
import { UsageError, UserError } from '../../platform/errors.ts';
import { dataHome } from '../../platform/files.ts';
import { readSettings } from '../../platform/settings.ts';
import { bundledModelFor } from '../../protocol/bundled-models.ts';
import type { EvaluationDocument } from '../../protocol/evaluation.ts';
import { findRun, readConfiguration } from '../../runs/directory.ts';
import { recordedSplit } from '../../runs/recorded-split.ts';
import { taskByName } from '../../tasks/registry.ts';
import {
  type AddCommand,
  type CommandContext,
  type CommandResult,
  type EngineOptions,
  engineOf,
  engineOfRun,
  refuseWithResume,
  wholeNumber,
  withEngine,
  withSettings,
} from '../command.ts';
import {
  computeShard,
  gatherShards,
  refuseUnusedFolder,
  type ShardOptions,
  shardChoice,
  withShards,
} from '../shard-options.ts';
import { activityLines, duration } from '../training-progress.ts';
import { chosenTask, problemFile, testCommandOption } from './discover.ts';

interface EvalOptions extends EngineOptions, ShardOptions {
  readonly task?: string;
  readonly data?: string;
  readonly workspace?: string;
  readonly testCommand?: string;
  readonly model?: string;
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
  readonly split?: 'all' | 'test';
  readonly splitOf?: string;
}

export function addEval(add: AddCommand): void {
  withShards(
    withSettings(withEngine(add<EvalOptions>('eval', 'Evaluate a model on held-out problems of a task', evaluate)))
      .option('--task <name>', 'task to evaluate (default with --workspace: workspace)')
      .option('--data <file>', 'problems as JSON lines, a JSON array or CSV (default: generated held-out ones)')
      .addOption(
        new Option(
          '--split <part>',
          'part of the file or workspace (default: test if the model was tuned on it, otherwise all)',
        ).choices(['all', 'test']),
      )
      .option('--split-of <model>', 'take the test part that the run of this tuned model recorded (default: --model)')
      .option(
        '--held-out',
        'every eighth problem of --data: the held-out part of runs by versions that recorded no split',
      )
      .option('--workspace <folder>', 'workspace whose functions are the problems')
      .option(...testCommandOption)
      .option(
        '--model <model>',
        'model: a name, a checkpoint or adapter folder, or a run directory (default: the bundled model for the task)',
      )
      .addOption(wholeNumber('--limit <n>', 'maximum number of problems (default: all)'))
      .addOption(wholeNumber('--samples <k>', 'answers per problem; more than one reports pass@1 to pass@K').default(1))
      .addOption(wholeNumber('--seed <seed>', 'random seed for sampling', 0).default(0))
      .option('--runs <folder>', 'folder of evaluations (default: in the data home)')
      .option('--resume <evaluation>', 'resume an evaluation that was stopped or killed')
      .option('--as-released', 'grade exactly as the released evaluator does, including its defects')
      .option('--skip-broken', 'skip rows that cannot be read instead of stopping at the first one'),
  );
}

async function evaluate(options: EvalOptions, context: CommandContext): Promise<CommandResult> {
  const root = evaluationsFolder(options.runs);
  const hooks = evaluationHooks(context);
  const choice = shardChoice(options);
  if (choice?.kind === 'gather') {
    const gathered = await gatherShards(choice, 'eval', problemRowSchema, options, context);
    return shown(await gatherEvaluation(root, gathered, hooks));
  }
  if (options.resume !== undefined) {
    refuseWithResume(context);
    const dir = await findRun(root, options.resume, 'evaluations');
    return shown(await resumeEvaluation(await engineOfRun(options, await readConfiguration(dir)), dir, hooks));
  }
  const task = chosenTask(options);
  if (task === undefined)
    throw new UsageError('unmask eval needs --task, --workspace, or --resume with the directory of an evaluation.');
  if (choice === null) refuseUnusedFolder(options);
  const request = await requestOf({ ...options, task }, context);
  const engine = await engineOf(options);
  if (choice === null) return shown(await startEvaluation(engine, root, request, hooks));
  const evaluation = await shardedEvaluation(engine, request, hooks);
  try {
    const { work, compute } = evaluation;
    return await computeShard(choice, { ...work, compute, schema: problemRowSchema, engine }, options, context);
  } finally {
    await evaluation.dispose();
  }
}

async function requestOf(
  options: EvalOptions & { readonly task: string },
  context: CommandContext,
): Promise<EvaluationRequest> {
  const isFromFile = options.data !== undefined || options.workspace !== undefined;
  if (options.splitOf !== undefined && !isFromFile)
    throw new UsageError('--split-of selects a part of a file; give the file with --data.');
  if (options.heldOut && (options.split ?? options.splitOf) !== undefined)
    throw new UsageError('--held-out and --split each select a part of the file; give one of them.');
  if (options.heldOut && options.data === undefined)
    throw new UsageError('--held-out belongs to a file of problems; give it with --data, or leave it out.');
  const { task, samples, seed, model = bundledModelFor(task) } = options;
  const settings = await readSettings(evaluationSettings, { file: options.config, pairs: options.set });
  refuseUnusedLimit(settings);
  return {
    ...{ task, model, samples, seed },
    settings,
    ...(await chosenProblems({ ...options, model }, context)),
    limit: options.limit ?? null,
    skipBroken: options.skipBroken ?? false,
    heldOut: options.heldOut ?? false,
    asReleased: options.asReleased ?? false,
  };
}

/** The file of problems, if any, and which of its problems are evaluated. */
async function chosenProblems(
  options: EvalOptions & { readonly task: string; readonly model: string },
  context: CommandContext,
) {
  const task = taskByName(options.task);
  const { workspace, split: part = null, splitOf, skipBroken = false } = options;
  const recorded = await recordedSplit(await findModel(splitOf ?? options.model));
  if (splitOf !== undefined && recorded === null)
    throw new UserError(`${splitOf} has no recorded split; give a run or model that was tuned on a file or workspace.`);
  const isTunedOn = workspace !== undefined && recorded?.workspace === path.resolve(workspace);
  const which = workspace !== undefined && part === null && !isTunedOn ? 'held out' : 'all';
  const data = await problemFile(options, which, path.join(dataHome(), 'runs'), context);
  if (which === 'held out' || options.heldOut) return { data, only: null };
  return { data, only: await evaluatedPart({ task, data, part, recorded, skipBroken }, context.progress) };
}

/** The folder of evaluations: the one of `--runs`, or the default in the data home. */
export function evaluationsFolder(folder: string | undefined): string {
  return folder === undefined ? path.join(dataHome(), 'evaluations') : path.resolve(folder);
}

/** An estimate is reported before the first answer if it is at least this many seconds. */
const toldFrom = 30;

function evaluationHooks({ signal, progress }: CommandContext) {
  return {
    signal,
    onPrepare: progress,
    onActivity: activityLines(progress),
    onStart: ({ dir }: { readonly dir: string }) => progress(`run ${dir}`),
    onEstimate: ({ answers, steps, seconds }: AnswersEstimate) => {
      const plan = `${count(answers, 'answer')} in ${count(steps, 'denoising step')} each`;
      if (seconds >= toldFrom) progress(`${plan}: about ${duration(seconds)}, by the time of the first step.`);
    },
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
      `${result.task}, ${result.n} ${result.n === 1 ? 'problem' : 'problems'}`,
      ...metrics,
      `${result.forwards_per_answer.toFixed(1)} forward passes per answer, ${result.seconds.toFixed(1)} s; answers in ${result.results}`,
    ],
  };
}
