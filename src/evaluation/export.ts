import { UserError } from '../platform/errors.ts';
import { readText } from '../platform/files.ts';
import type { AnswerRecord, EvaluationSummary } from '../protocol/evaluation.ts';
import { runFile } from '../runs/layout.ts';
import { readAnswers } from '../runs/reader.ts';
import { problemFields } from './answer-records.ts';
import { type CsvValue, csv } from './csv.ts';

export const exportFormats = ['jsonl', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** Every answer of an evaluation as one text: as `answers.jsonl` keeps them, or as a table without the tokens. */
export async function exportAnswers(
  { dir }: EvaluationSummary,
  format: ExportFormat,
): Promise<{ readonly text: string; readonly rows: number }> {
  const answers = await readAnswers(dir);
  if (answers.length === 0)
    throw new UserError(`The evaluation ${dir} has no answers yet; there is nothing to export.`);
  const text = format === 'csv' ? table(answers) : await readText(runFile(dir).answers);
  return { text: text.slice(0, text.lastIndexOf('\n') + 1), rows: answers.length };
}

function table(answers: readonly AnswerRecord[]): string {
  const fields = [...new Set(answers.flatMap((answer) => Object.keys(problemFields(answer))))];
  const metrics = [...new Set(answers.flatMap(({ scores }) => Object.keys(scores)))];
  return csv(
    [...fields, 'problem', 'sample', 'prompt', 'completion', 'extracted', 'correct', ...metrics, 'forwards', 'seed'],
    answers.map((answer) => [
      ...fields.map((name) => cell(problemFields(answer)[name])),
      answer.problem,
      answer.sample,
      answer.prompt,
      answer.completion,
      answer.extracted,
      answer.correct,
      ...metrics.map((name) => share(answer.scores[name])),
      answer.forwards,
      answer.seed,
    ]),
  );
}

function cell(value: unknown): CsvValue {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : JSON.stringify(value);
}

const share = (score: { value: number; weight: number } | undefined): number | null =>
  score === undefined || score.weight === 0 ? null : score.value / score.weight;
