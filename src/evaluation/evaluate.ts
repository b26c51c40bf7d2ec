import type { LanguageModel } from '../model/language-model.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Grade, GradeOptions, ScoringOptions, Task } from '../tasks/task.ts';
import { type Answer, type AnswerOptions, answer } from './answers.ts';
import { gradesByProblem, metricIntervals, problemScores } from './metrics.ts';
import { pairedDifference } from './statistics.ts';

export interface GradedAnswer<Row = unknown> extends Answer<Row> {
  readonly grade: Grade;
}

/** The result of an evaluation, with every answer, so that two models can be compared on the same problems. */
export interface EvaluationResult<Row = unknown> {
  readonly task: string;
  readonly n: number;
  readonly samples: number;
  readonly metrics: Readonly<Record<string, Interval>>;
  readonly forwardsPerAnswer: number;
  /** Canvas tokens per forward pass: how parallel decoding was. */
  readonly tokensPerForward: number;
  readonly seconds: number;
  readonly answers: readonly GradedAnswer<Row>[];
}

export interface EvaluationOptions extends AnswerOptions {
  readonly asReleased?: boolean;
}

/**
 * Generates and grades answers. With several samples per problem, the metrics include pass@k for every k up to their
 * number.
 */
export async function evaluate<Row>(
  model: LanguageModel,
  task: Task<Row>,
  rows: readonly Row[],
  options: EvaluationOptions,
): Promise<EvaluationResult<Row>> {
  const begin = performance.now();
  const { format, samples, asReleased = false, signal, progress } = options;
  const written = await answer(model, task, rows, options);
  const onProgress = (graded: number, total: number) => progress?.({ done: total, total, batch: 0, share: 0, graded });
  const answers = await gradeAnswers(task, written, { format, asReleased }, { signal, onProgress });
  const metrics = metricIntervals(task, gradesByProblem(answers, samples));
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

export async function gradeAnswers<Row>(
  task: Task<Row>,
  answers: readonly Answer<Row>[],
  grading: GradeOptions,
  options?: ScoringOptions,
): Promise<GradedAnswer<Row>[]> {
  const grades = await task.scorer.grade(answers, grading, options);
  return answers.map((answer, index) => ({ ...answer, grade: grades[index] as Grade }));
}

/** The paired difference of a metric between two evaluations of the same problems: `after` minus `before`. */
export function compareEvaluations(before: EvaluationResult, after: EvaluationResult, metric: string): Interval {
  const scores = ({ answers, samples }: EvaluationResult) => problemScores(gradesByProblem(answers, samples), metric);
  return pairedDifference(scores(before), scores(after));
}
