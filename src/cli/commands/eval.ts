import { defaultDecoding } from '../../evaluation/answers.ts';
import { evaluate } from '../../evaluation/evaluate.ts';
import { writeAnswers } from '../../evaluation/result-file.ts';
import { decodingOf, evaluationSettings } from '../../evaluation/settings.ts';
import { readCheckpoint } from '../../model/checkpoint.ts';
import { bundledPuzzleModel, findModel } from '../../model/find-model.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { Interrupted, UsageError, UserError } from '../../platform/errors.ts';
import { readSettings } from '../../platform/settings.ts';
import { taskByName } from '../../tasks/registry.ts';
import { readRowFile } from '../../tasks/row-file.ts';
import type { Task } from '../../tasks/task.ts';
import { type AddCommand, type EngineOptions, engineOf, wholeNumber, withEngine, withSettings } from '../command.ts';

interface EvalOptions extends EngineOptions {
  readonly task: string;
  readonly data?: string;
  readonly model: string;
  readonly limit?: number;
  readonly samples: number;
  readonly seed: number;
  readonly config?: string;
  readonly set: readonly string[];
  readonly asReleased?: boolean;
  readonly skipBroken?: boolean;
}

/** Held-out problems where neither a file nor a limit is given, as many as the papers' test sets have. */
const defaultProblems = 256;

export function addEval(add: AddCommand): void {
  withSettings(
    withEngine(
      add<EvalOptions>(
        'eval',
        'Evaluate a model on held-out problems of a task',
        async (options, { signal, progress }) => {
          const task = taskByName(options.task);
          const settings = await readSettings(evaluationSettings, { file: options.config, pairs: options.set });
          const rows = await problems(task, options, progress);
          const checkpoint = await readCheckpoint(await findModel(options.model));
          const model = await LanguageModel.load(await engineOf(options), checkpoint);
          const format = settings.format ?? model.generation.prompt_format;
          const decoding = decodingOf(settings, defaultDecoding(model, task, format), options.samples);
          const unreadable = rows.find((row) => model.tokenizer.losesSomeOf(task.prompt(row, format)));
          if (unreadable)
            throw new UserError(
              `The model ${options.model} has no tokens for prompts of ${task.name}; choose a model trained for it.`,
            );
          const result = await evaluate(model, task, rows, {
            format,
            decoding,
            samples: options.samples,
            seed: options.seed,
            asReleased: options.asReleased ?? false,
            progress: (done, total) => progress(`${done} of ${total} answers`),
            checkCancelled: () => {
              if (signal.aborted) throw new Interrupted('The evaluation was stopped; nothing was written.');
            },
          });
          const results = await writeAnswers(task.name, result.answers);
          return {
            document: {
              task: task.name,
              model: options.model,
              n: result.n,
              metrics: result.metrics,
              forwards_per_answer: result.forwardsPerAnswer,
              tokens_per_forward: result.tokensPerForward,
              seconds: result.seconds,
              results,
            },
            lines: [
              `${task.name}, ${result.n} problems, ${result.samples} sample${result.samples === 1 ? '' : 's'} each`,
              ...Object.entries(result.metrics).map(
                ([name, { value, low, high }]) =>
                  `${name.padEnd(14)} ${value.toFixed(3)}  [${low.toFixed(3)}, ${high.toFixed(3)}]`,
              ),
              `${result.forwardsPerAnswer.toFixed(1)} forward passes an answer, ${result.seconds.toFixed(1)} s; answers in ${results}`,
            ],
          };
        },
      ),
    ),
  )
    .requiredOption('--task <name>', 'task to evaluate')
    .option('--data <file>', 'problems as JSON lines, a JSON array or CSV (default: generated held-out ones)')
    .option('--model <model>', 'model: a name, a checkpoint folder or a run directory', bundledPuzzleModel)
    .addOption(wholeNumber('--limit <n>', 'problems to take'))
    .addOption(wholeNumber('--samples <k>', 'answers per problem; with several, pass@1 to pass@K').default(1))
    .addOption(wholeNumber('--seed <seed>', 'seed of the sampling', 0).default(0))
    .option('--as-released', 'grade as the released evaluator does')
    .option('--skip-broken', 'leave out rows that cannot be read, instead of stopping at the first');
}

async function problems(
  task: Task,
  { data, limit, skipBroken }: EvalOptions,
  progress: (line: string) => void,
): Promise<unknown[]> {
  if (data === undefined) {
    if (!task.heldOut) throw new UsageError(`${task.name} makes no problems itself; give a file of them with --data.`);
    return task.heldOut('test', limit ?? defaultProblems);
  }
  const { rows, broken } = await readRowFile(data, (record) => task.parse(record), { skipBroken: skipBroken ?? false });
  for (const { message } of broken) progress(message);
  if (rows.length === 0) throw new UserError(`${data} has no row that can be read; mend it.`);
  return rows.map(({ row }) => row).slice(0, limit);
}
