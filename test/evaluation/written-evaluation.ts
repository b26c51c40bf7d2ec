import { summarizeEvaluation } from '../../src/evaluation/evaluations.ts';
import type { AnswerRecord, EvaluationSummary } from '../../src/protocol/evaluation.ts';
import { runFile } from '../../src/runs/layout.ts';
import { RunWriter } from '../../src/runs/writer.ts';
import { newRun } from '../runs/example.ts';

/** For each answer to a problem, how many of its 4 empty cells are correct. */
export type Outcomes = Readonly<Record<string, readonly number[]>>;

/** Writes the directory of an evaluation with known answers, without a model. */
export async function writeEvaluation(
  root: string,
  outcomes: Outcomes,
  { task = 'sudoku4x4', settings = {}, finish = true }: { task?: string; settings?: object; finish?: boolean } = {},
): Promise<EvaluationSummary> {
  const samples = Object.values(outcomes)[0]?.length ?? 1;
  const answers = Object.entries(outcomes).flatMap(([problem, cells]) =>
    cells.map((right, sample) => answerOf(problem, right, sample)),
  );
  const run = await RunWriter.create(root, {
    ...newRun,
    kind: 'evaluate',
    task,
    model: '/models/tiny',
    objective: null,
    steps: answers.length,
    settings: { samples, as_released: false, data: null, model_name: 'tiny', ...settings },
  });
  if (answers.length > 0) await run.answers(answers);
  await run.append({ step: answers.length, time: 0, 'time/step': 1 });
  await run.progress(answers.length, 0);
  if (finish)
    await run.result({
      task,
      model: 'tiny',
      n: Object.keys(outcomes).length,
      metrics: { cell_accuracy: { value: 0.5, low: 0.4, high: 0.6 } },
      forwards_per_answer: 4,
      tokens_per_forward: 4,
      seconds: 1,
      results: runFile(run.dir).answers,
      run: run.configuration.name,
      dir: run.dir,
    });
  await run.close(finish ? 'finished' : 'interrupted');
  return summarizeEvaluation(run.dir);
}

/** A Sudoku with four empty cells and this number of correct ones. */
function answerOf(problem: string, right: number, sample: number): AnswerRecord & { puzzle: string; solution: string } {
  const completion = `${'3214'.slice(0, right)}${'4321'.slice(right)}142323414132`.replace(/^(.{16}).*/, '$1');
  return {
    puzzle: '0000142323414132',
    solution: '3214142323414132',
    problem,
    sample,
    prompt: '0000142323414132:',
    completion,
    seed: sample,
    correct: right === 4,
    extracted: completion,
    scores: { cell_accuracy: { value: right, weight: 4 }, solved: { value: Number(right === 4), weight: 1 } },
    forwards: 4,
    tokens: [4, 5],
    pieces: ['1', '2'],
    revealedAt: [1, 0],
    confidence: [0.5, 0.25],
  };
}
