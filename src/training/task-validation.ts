import { defaultDecoding } from '../evaluation/answers.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { reportAnswers } from '../evaluation/report-answers.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Evaluation } from '../protocol/events.ts';
import { backgroundContext, type WorkContext } from '../runs/run-job.ts';
import type { Task } from '../tasks/task.ts';

export interface ValidationProblems {
  readonly task: Task;
  readonly rows: readonly unknown[];
}

/**
 * Evaluates greedy answers to the first `problems` problems of each task. The metrics of all tasks except the first
 * have the task's name as a prefix.
 */
export async function evaluateOnTasks(
  model: LanguageModel,
  validation: readonly ValidationProblems[],
  problems: number,
  context: WorkContext = backgroundContext,
): Promise<Evaluation> {
  const results = [];
  for (const { task, rows } of validation)
    results.push(
      await evaluate(model, task, rows.slice(0, problems), {
        format: model.generation.prompt_format,
        decoding: defaultDecoding(model, task),
        samples: 1,
        seed: 0,
        signal: context.signal,
        progress: reportAnswers(context, `validation on ${task.name}`),
      }),
    );
  const metrics = results.map((result, index) =>
    Object.entries(result.metrics).map(
      ([name, value]) => [index === 0 ? name : `${result.task}/${name}`, value] as const,
    ),
  );
  return {
    task: results[0]!.task,
    split: 'validation',
    n: results[0]!.n,
    metrics: Object.fromEntries(metrics.flat()),
    seconds: results.reduce((sum, { seconds }) => sum + seconds, 0),
  };
}
