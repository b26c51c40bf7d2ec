import type { Interval } from '../protocol/interval.ts';
import type { Grade, Score, Task } from '../tasks/task.ts';
import { passAtK, shareInterval } from './statistics.ts';

/** What was said of the answers to one problem: problems, not answers, are independent of each other. */
export type ProblemGrades = readonly Grade[];

/** The grades of answers that stand in the problems' order, `samples` of each side by side. */
export function gradesByProblem(answers: readonly { readonly grade: Grade }[], samples: number): ProblemGrades[] {
  return Array.from({ length: answers.length / samples }, (_, problem) =>
    answers.slice(problem * samples, (problem + 1) * samples).map(({ grade }) => grade),
  );
}

/** The metrics of a task, the first one first; with several answers per problem, pass@k for every k up to them. */
export function metricNames({ metrics }: Pick<Task, 'metrics'>, samples: number): string[] {
  const passes = samples > 1 ? Array.from({ length: samples }, (_, index) => `pass@${index + 1}`) : [];
  return [...new Set([...metrics, ...passes])];
}

/** A metric's score on every problem: its answers added up, or the chance that one of k is right. */
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

/** Every metric over problems, with its interval. */
export function metricIntervals(
  task: Pick<Task, 'metrics'>,
  problems: readonly ProblemGrades[],
): Record<string, Interval> {
  const names = metricNames(task, problems[0]?.length ?? 1);
  return Object.fromEntries(names.map((name) => [name, shareInterval(problemScores(problems, name))]));
}
