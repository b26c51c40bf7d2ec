import { checkDecoding, type DecodingOptions } from '../diffusion/denoise.ts';
import { contextLength } from '../evaluation/answers.ts';
import type { HostTensor } from '../graph/tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import type { LanguageModel } from '../model/language-model.ts';
import { UsageError, UserError } from '../platform/errors.ts';
import { Random } from '../platform/random.ts';
import type { RowSplit } from '../protocol/row-split.ts';
import { taskByName } from '../tasks/registry.ts';
import { readRowFile } from '../tasks/row-file.ts';
import type { SplitRows } from '../tasks/split-rows.ts';
import type { Level, Task } from '../tasks/task.ts';
import type { TrainingHooks } from '../training/training-job.ts';
import { checkObjective, objectiveByName } from './objectives/registry.ts';
import { Curriculum, type ProblemSource } from './problem-source.ts';
import { resolveSettings } from './resolve-settings.ts';
import type { TuningRequest } from './tuning-request.ts';

/** The problems of a run, checked against its model. */
export interface PreparedProblems {
  readonly task: Task;
  readonly problems: ProblemSource;
  /** Warnings of the task about the rows, one sentence each. */
  readonly findings: readonly string[];
  readonly validation: readonly unknown[];
  readonly test: readonly unknown[];
  /** How the rows of a data file were split; null if there is no file, or if its split has no record. */
  readonly split: RowSplit | null;
}

export interface PrepareOptions {
  /** Divides the rows of a file. */
  readonly split: (task: Task, rows: readonly unknown[], data: string) => SplitRows;
  readonly hooks?: Pick<TrainingHooks, 'signal' | 'onPrepare'>;
  /** State of the method from the checkpoint that the run resumes from. */
  readonly restored?: ReadonlyMap<string, HostTensor>;
}

/**
 * Prepares the problems of a request, and scores an empty completion of one of them, so that a reward that does not work
 * is reported before the run starts. Throws a `UsageError` or a `UserError` if the task, its reward, the settings, the data
 * and the model do not fit together.
 */
export async function prepareProblems(
  model: LanguageModel,
  { task: name, objective, settings, data, steps, testProblems }: TuningRequest,
  { split, hooks = {}, restored }: PrepareOptions,
): Promise<PreparedProblems> {
  const task = taskByName(name);
  const rows =
    data === null ? null : (await readRowFile(data, (record) => task.parse(record))).rows.map(({ row }) => row);
  const format = model.generation.prompt_format;
  if (!rows && !(task.generate && task.heldOut))
    throw new UsageError(`${name} has no problems of its own; give a file with --data.`);
  const { decoding } = resolveSettings(model, task, settings, format);
  checkSettings({ objective, settings, steps }, decoding, model.config);
  const longestContext = model.config.max_position_embeddings - decoding.length;
  const contextLengthOf = (row: unknown) => contextLength(model, task, row, format);
  const divided = rows && split(task, rows, data as string);
  // Problems that are too long for the model are left out. If all training problems are too long, `checkLength` below
  // reports by how much.
  const fitting = (part: readonly unknown[]) => part.filter((row) => contextLengthOf(row) <= longestContext);
  const fittingTraining = divided && fitting(divided.parts.training);
  const training = fittingTraining?.length === 0 ? divided!.parts.training : fittingTraining;
  if (training?.length === 0)
    throw new UserError(
      `${data} no longer has any of the problems that this run trains on; restore the file, or start a new run.`,
    );
  const generateOptions = { ...settings.task_options };
  const curriculumOf = (part: readonly unknown[], partName: string) => {
    if (!settings.curriculum || part.length === 0) return undefined;
    const onProgress = (done: number, total: number) =>
      hooks.onPrepare?.(`Checking the tests of ${partName} problems: ${done} of ${total}`);
    return task.lessons?.(part, { signal: hooks.signal, onProgress });
  };
  const lessons = training && (await curriculumOf(training, 'training'));
  if (lessons?.levels.length === 0)
    throw new UserError(
      `The tests in ${data} notice no wrong version of any function, so they cannot serve as a reward; strengthen them, or set curriculum=false.`,
    );
  const heldOutLessons = divided && (await curriculumOf(fitting(divided.parts.validation), 'validation'));
  const problems: ProblemSource = lessons
    ? new Curriculum(lessons.levels, restored)
    : { draw: (random) => (training ? random.pick(training) : task.generate!(random, generateOptions)) };
  await checkProblem(model, task, problems.draw(new Random(0, 'probe')), {
    reward: settings.reward ?? task.rewards[0],
    length: decoding.length,
  });
  return {
    task,
    problems,
    findings: lessons?.findings ?? [],
    validation: divided
      ? (heldOutLessons ? interleaved(heldOutLessons.levels) : fitting(divided.parts.validation)).slice(
          0,
          settings.evaluation_problems,
        )
      : task.heldOut!('validation', settings.evaluation_problems, generateOptions),
    test:
      testProblems === 0
        ? []
        : divided
          ? fitting(divided.parts.test).slice(0, testProblems)
          : task.heldOut!('test', testProblems, generateOptions),
    split: divided?.record ?? null,
  };
}

/**
 * Checks with one problem that its reward works, that the model can read the prompt, and that a completion of `length` tokens fits.
 * Throws a `UserError` that says what does not work.
 */
async function checkProblem(
  model: LanguageModel,
  task: Task,
  row: unknown,
  { reward, length }: { readonly reward: string; readonly length: number },
): Promise<void> {
  const format = model.generation.prompt_format;
  await task.scorer.reward([{ row, completion: '', reward }], format);
  if (model.tokenizer.dropsRowsOf(task.prompt(row, format)))
    throw new UserError(`The model's tokenizer has no tokens for a prompt of ${task.name}; choose another model.`);
  model.checkLength(contextLength(model, task, row, format) + length);
}

/** The first problem of each level, then the second, and so on. */
function interleaved(levels: readonly Level[]): unknown[] {
  const longest = Math.max(0, ...levels.map(({ rows }) => rows.length));
  return Array.from({ length: longest }, (_, index) =>
    levels.flatMap(({ rows }) => rows.slice(index, index + 1)),
  ).flat();
}

/** Throws a `UsageError` that names the first setting that does not fit the others, the objective or the model. */
function checkSettings(
  { objective, settings, steps }: Pick<TuningRequest, 'objective' | 'settings' | 'steps'>,
  decoding: DecodingOptions,
  config: ModelConfig,
): void {
  checkDecoding(decoding);
  const { block, temperature, adapter, optimizer, lr_schedule: schedule, staleness } = settings;
  const { hasImportanceRatio } = objectiveByName(objective);
  if (staleness > 0 && !hasImportanceRatio && !settings.stale_without_ratio)
    throw new UsageError(
      `Setting staleness = ${staleness} biases ${objective}, which has no importance ratio; set staleness=0, or stale_without_ratio=true to accept that.`,
    );
  if (block !== null && decoding.length % block !== 0)
    throw new UsageError(
      `Setting block = ${block} does not divide the ${decoding.length} tokens of a completion; give one that does.`,
    );
  if (temperature === 0)
    throw new UsageError(
      'Setting temperature = 0 makes all completions of a group equal, so nothing can be learned; set a value above 0.',
    );
  checkObjective(objective, settings, config);
  if (adapter === 'lora' && optimizer === 'muon')
    throw new UsageError(
      "Setting optimizer = muon trains the layers' projections, but a run with an adapter does not change them; set optimizer=adamw.",
    );
  if (steps === null && schedule !== 'constant')
    throw new UsageError(
      `Setting lr_schedule = ${schedule} needs --steps, because a run that only a time limit ends has no number of steps over which the rate falls.`,
    );
}
