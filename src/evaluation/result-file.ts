import path from 'node:path';
import { dataHome, writeAtomic } from '../platform/files.ts';
import type { GradedAnswer } from './evaluate.ts';

/** Writes every answer of an evaluation, a JSON line each, into the data home's `evaluations/`; returns the file. */
export async function writeAnswers(task: string, answers: readonly GradedAnswer[]): Promise<string> {
  const time = new Date().toISOString().replace(/[-:]/g, '').replace('.', '-').replace('T', '-').replace('Z', '');
  const file = path.join(dataHome(), 'evaluations', `${time}-${task}.jsonl`);
  const lines = answers.map(({ row, prompt, completion, seed, grade, denoised }) =>
    JSON.stringify({ ...(row as object), prompt, completion, seed, ...grade, forwards: denoised.forwards }),
  );
  await writeAtomic(file, lines.map((line) => `${line}\n`).join(''));
  return file;
}
