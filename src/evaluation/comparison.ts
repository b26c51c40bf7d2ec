import { UserError } from '../platform/errors.ts';
import type {
  AnswerRecord,
  EvaluationReport,
  EvaluationRow,
  EvaluationSummary,
  MetricDifference,
  RowOutcome,
} from '../protocol/evaluation.ts';
import { readAnswers } from '../runs/reader.ts';
import { taskByName } from '../tasks/registry.ts';
import type { Score, Task } from '../tasks/task.ts';
import { gradeOf, problemFields } from './answer-records.ts';
import { assertFinished } from './evaluations.ts';
import { gridLayoutOf } from './grid-layout.ts';
import { metricNames, type ProblemGrades, problemScores } from './metrics.ts';
import { pairedDifference, shareInterval } from './statistics.ts';
import { comparisonVerdicts } from './verdict.ts';

/** Maximum length of a problem's label in a table row. */
const labelLength = 160;

/** Whether two evaluations measure the same thing, so that their answers to the same problems can be compared. */
export function areOfOneKind(one: EvaluationSummary, other: EvaluationSummary): boolean {
  return one.task === other.task && one.asReleased === other.asReleased;
}

/**
 * The latest earlier evaluation that can be compared with this one and shares a problem with it, from a list with the
 * newest first. Null if there is none. Evaluations whose answers cannot be read are skipped, because the user did not
 * ask for them.
 */
export async function previousOf(
  evaluation: EvaluationSummary,
  all: readonly EvaluationSummary[],
): Promise<EvaluationSummary | null> {
  const problems = new Set((await readAnswers(evaluation.dir)).map(({ problem }) => problem));
  for (const other of comparableWith(evaluation, all).filter(({ run }) => run < evaluation.run)) {
    const answers = await readAnswers(other.dir).catch(() => []);
    if (answers.some(({ problem }) => problems.has(problem))) return other;
  }
  return null;
}

/** The evaluations that this one can be compared with. */
export function comparableWith(evaluation: EvaluationSummary, all: readonly EvaluationSummary[]): EvaluationSummary[] {
  return all.filter(
    (other) => other.dir !== evaluation.dir && other.result !== null && areOfOneKind(evaluation, other),
  );
}

/**
 * An evaluation problem by problem, compared with another one if given. Differences are over the problems that both
 * answered. Throws a `UserError` if they cannot be compared.
 *
 * @param all the evaluations offered for comparison, newest first
 */
export async function evaluationReport(
  evaluation: EvaluationSummary,
  compared: EvaluationSummary | null,
  all: readonly EvaluationSummary[],
): Promise<EvaluationReport> {
  assertFinished(evaluation);
  const task = taskByName(evaluation.task ?? '');
  const shown = byProblem(await readAnswers(evaluation.dir));
  const other = compared === null ? new Map<string, AnswerRecord[]>() : await answersToCompare(evaluation, compared);
  const shared = [...shown.keys()].filter((problem) => other.has(problem));
  if (compared !== null && shared.length === 0)
    throw new UserError(
      `${evaluation.run} and ${compared.run} have no problem in common, so they cannot be compared; evaluate both on the same problems.`,
    );
  const differences = compared === null ? [] : differencesOf(task, evaluation, compared, shared, shown, other);
  return {
    evaluation,
    compared,
    others: comparableWith(evaluation, all),
    shared: shared.length,
    differences,
    verdicts: comparisonVerdicts({ evaluation, compared, differences, shared: shared.length, others: other.size }),
    rows: [...shown].map(([problem, answers], index) =>
      reportRow(task, problem, index + 1, answers, other.get(problem) ?? null),
    ),
  };
}

async function answersToCompare(
  evaluation: EvaluationSummary,
  compared: EvaluationSummary,
): Promise<Map<string, AnswerRecord[]>> {
  if (evaluation.task !== compared.task)
    throw new UserError(
      `${evaluation.run} is of ${evaluation.task} and ${compared.run} of ${compared.task}; compare evaluations of one task.`,
    );
  if (evaluation.asReleased !== compared.asReleased)
    throw new UserError(
      `Only one of ${evaluation.run} and ${compared.run} is graded as the released evaluator does; evaluate both the same way.`,
    );
  assertFinished(compared);
  return byProblem(await readAnswers(compared.dir));
}

function differencesOf(
  task: Task,
  evaluation: EvaluationSummary,
  compared: EvaluationSummary,
  shared: readonly string[],
  shown: ReadonlyMap<string, readonly AnswerRecord[]>,
  other: ReadonlyMap<string, readonly AnswerRecord[]>,
): MetricDifference[] {
  const grades = (answers: ReadonlyMap<string, readonly AnswerRecord[]>): ProblemGrades[] =>
    shared.map((problem) => (answers.get(problem) as readonly AnswerRecord[]).map(gradeOf));
  const [before, after] = [grades(other), grades(shown)];
  return metricNames(task, Math.min(evaluation.samples, compared.samples)).map((name) =>
    metricDifference(name, problemScores(before, name), problemScores(after, name)),
  );
}

function metricDifference(name: string, before: readonly Score[], after: readonly Score[]): MetricDifference {
  const difference = pairedDifference(before, after);
  const changes = after.map((score, index) => share(score) - share(before[index] as Score));
  const better = changes.filter((change) => change > tolerance).length;
  const worse = changes.filter((change) => change < -tolerance).length;
  return {
    name,
    before: shareInterval(before),
    after: shareInterval(after),
    difference,
    verdict: difference.low > 0 ? 'better' : difference.high < 0 ? 'worse' : 'not distinguishable',
    better,
    worse,
    equal: changes.length - better - worse,
  };
}

function reportRow(
  task: Task,
  problem: string,
  number: number,
  answers: readonly AnswerRecord[],
  others: readonly AnswerRecord[] | null,
): EvaluationRow {
  const [metric] = task.metrics;
  const [first] = answers as readonly [AnswerRecord];
  const shown = outcome(answers, metric);
  const compared = others === null ? null : outcome(others, metric);
  const change = compared === null ? null : shown.score - compared.score;
  return {
    problem,
    number,
    label: labelOf(first),
    shown,
    compared,
    change: change === null ? null : change > tolerance ? 'better' : change < -tolerance ? 'worse' : 'same',
    ...gridLayoutOf(task.name, first.prompt),
  };
}

function outcome(answers: readonly AnswerRecord[], metric: string): RowOutcome {
  const [first] = answers as readonly [AnswerRecord];
  return {
    correct: answers.filter(({ correct }) => correct).length,
    samples: answers.length,
    score: share(problemScores([answers.map(gradeOf)], metric)[0] as Score),
    extracted: first.extracted,
    completion: first.completion,
  };
}

function labelOf(answer: AnswerRecord): string {
  const fields = Object.entries(problemFields(answer)).map(
    ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const label = fields.join(' · ').replace(/\s+/g, ' ');
  return label.length > labelLength ? `${label.slice(0, labelLength - 1)}…` : label;
}

function byProblem(answers: readonly AnswerRecord[]): Map<string, AnswerRecord[]> {
  const problems = new Map<string, AnswerRecord[]>();
  for (const answer of answers) {
    const known = problems.get(answer.problem);
    if (known) known.push(answer);
    else problems.set(answer.problem, [answer]);
  }
  return problems;
}

/** Shares of different numbers of answers can differ by rounding. */
const tolerance = 1e-9;

const share = ({ value, weight }: Score): number => (weight === 0 ? 0 : value / weight);
