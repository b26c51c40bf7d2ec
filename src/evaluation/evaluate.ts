import type { LanguageModel } from '../model/language-model.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Grade, Score, Task } from '../tasks/task.ts';
import { type Answer, type AnswerOptions, answer } from './answers.ts';
import { pairedDifference, passAtKInterval, shareInterval } from './statistics.ts';

export interface GradedAnswer<Row = unknown> extends Answer<Row> {
  readonly grade: Grade;
}

/** What an evaluation found, with every answer, so that two models can be compared on the same problems. */
export interface EvaluationResult<Row = unknown> {
  readonly task: string;
  readonly n: number;
  readonly samples: number;
  readonly metrics: Readonly<Record<string, Interval>>;
  readonly forwardsPerAnswer: number;
  /** Tokens of the whole canvas per forward pass: how parallel decoding was. */
  readonly tokensPerForward: number;
  readonly seconds: number;
  readonly answers: readonly GradedAnswer<Row>[];
}

export interface EvaluationOptions extends AnswerOptions {
  readonly asReleased?: boolean;
}

/** Lets a model answer problems and grades the answers; with several samples, pass@k for every k up to them too. */
export async function evaluate<Row>(
  model: LanguageModel,
  task: Task<Row>,
  rows: readonly Row[],
  options: EvaluationOptions,
): Promise<EvaluationResult<Row>> {
  const begin = performance.now();
  const { format, samples, asReleased = false } = options;
  const answers = (await answer(model, task, rows, options)).map((given) => ({
    ...given,
    grade: task.grade(given.row, given.completion, { format, asReleased }),
  }));
  const metrics: Record<string, Interval> = {};
  for (const metric of task.metrics) metrics[metric] = shareInterval(itemScores(answers, metric, samples));
  if (samples > 1) Object.assign(metrics, passAtEveryK(answers, samples));
  const forwards = answers.reduce((sum, { denoised }) => sum + denoised.forwards, 0);
  const tokens = answers.reduce((sum, { denoised }) => sum + denoised.tokens.length, 0);
  return {
    task: task.name,
    n: rows.length,
    samples,
    metrics,
    forwardsPerAnswer: forwards / answers.length,
    tokensPerForward: tokens / forwards,
    seconds: (performance.now() - begin) / 1000,
    answers,
  };
}

/** How one model's metric differs from another's on the same problems: `after` minus `before`, paired by problem. */
export function compareEvaluations(before: EvaluationResult, after: EvaluationResult, metric: string): Interval {
  return pairedDifference(
    itemScores(before.answers, metric, before.samples),
    itemScores(after.answers, metric, after.samples),
  );
}

/** A metric's score per problem, its samples added up: problems are what is independent. */
function itemScores(answers: readonly GradedAnswer[], metric: string, samples: number): Score[] {
  return groups(answers, samples).map((group) => {
    const scores = group.map(({ grade }) => grade.scores[metric] as Score);
    return { value: sum(scores.map(({ value }) => value)), weight: sum(scores.map(({ weight }) => weight)) };
  });
}

function passAtEveryK(answers: readonly GradedAnswer[], samples: number): Record<string, Interval> {
  const counts = groups(answers, samples).map((group) => ({
    samples,
    correct: group.filter(({ grade }) => grade.correct).length,
  }));
  return Object.fromEntries(
    Array.from({ length: samples }, (_, index) => [`pass@${index + 1}`, passAtKInterval(counts, index + 1)]),
  );
}

function groups<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: items.length / size }, (_, index) => items.slice(index * size, (index + 1) * size));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
