import type { Interval } from '../protocol/interval.ts';
import type { Grade, Score, Task } from '../tasks/task.ts';
import { passAtK, shareInterval } from './statistics.ts';

/** The grades of the answers to one problem. Problems are independent of each other; answers to one problem are not. */
export type ProblemGrades = readonly Grade[];

/**
 * Groups grades by problem. Answers are in the order of the problems, with the `samples` of each next to each other.
 */
export function gradesByProblem(answers: readonly { readonly grade: Grade }[], samples: number): ProblemGrades[] {
  return Array.from({ length: answers.length / samples }, (_, problem) =>
    answers.slice(problem * samples, (problem + 1) * samples).map(({ grade }) => grade),
  );
}

/**
 * The metrics of a task, the main one first. With several answers per problem, they include pass@k for every k up to
 * their number.
 */
export function metricNames({ metrics }: Pick<Task, 'metrics'>, samples: number): string[] {
  const passes = samples > 1 ? Array.from({ length: samples }, (_, index) => `pass@${index + 1}`) : [];
  return [...new Set([...metrics, ...passes])];
}

/** A metric's score on every problem: the sum over its answers, or the probability that one of k is right. */
export function problemScores(problems: readonly ProblemGrades[], metric: string): Score[] {
  const k = /^pass@(\d+)$/.exec(metric)?.[1];
  if (k !== undefined)
    return problems.map((grades) => {
      const correct = grades.filter((grade) => grade.correct).length;
      return { value: passAtK(grades.length, correct, Number(k)), weight: 1 };
    });
  return problems.map((grades) =>
    grades.reduce(
      (sum, { scores }) => {
        const { value, weight } = scores[metric] as Score;
        return { value: sum.value + value, weight: sum.weight + weight };
      },
      { value: 0, weight: 0 },
    ),
  );
}

/** All metrics over problems, with their intervals. */
export function metricIntervals(
  task: Pick<Task, 'metrics'>,
  problems: readonly ProblemGrades[],
): Record<string, Interval> {
  const names = metricNames(task, problems[0]?.length ?? 1);
  return Object.fromEntries(names.map((name) => [name, shareInterval(problemScores(problems, name))]));
}
