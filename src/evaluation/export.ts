import { UserError } from '../platform/errors.ts';
import { readText } from '../platform/files.ts';
import type { AnswerRecord, AnswerScore, EvaluationSummary } from '../protocol/evaluation.ts';
import { runFile } from '../runs/layout.ts';
import { readAnswers } from '../runs/reader.ts';
import { problemFields } from './answer-records.ts';
import { type CsvValue, csv } from './csv.ts';

export const exportFormats = ['jsonl', 'csv'] as const;
export type ExportFormat = (typeof exportFormats)[number];

/** All answers of an evaluation as one text: the lines of `answers.jsonl`, or a table without the tokens. */
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

/**
 * If a problem and an answer have a field of the same name, the table has the problem's, so that it can be graded
 * again.
 */
function table(answers: readonly AnswerRecord[]): string {
  const rows = answers.map((answer): Readonly<Record<string, unknown>> => {
    const { problem, sample, prompt, completion, extracted, correct, scores, forwards, seed } = answer;
    const metrics = Object.entries(scores).map(([name, score]) => [name, share(score)]);
    return {
      ...{ problem, sample, prompt, completion, extracted, correct },
      ...{ ...Object.fromEntries(metrics), forwards, seed },
      ...problemFields(answer),
    };
  });
  const fields = answers.flatMap((answer) => Object.keys(problemFields(answer)));
  const names = [...new Set([...fields, ...rows.flatMap((row) => Object.keys(row))])];
  return csv(
    names,
    rows.map((row) => names.map((name) => cell(row[name]))),
  );
}

function cell(value: unknown): CsvValue {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
    ? value
    : JSON.stringify(value);
}

const share = ({ value, weight }: AnswerScore): number | null => (weight === 0 ? null : value / weight);
