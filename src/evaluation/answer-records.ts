import { createHash } from 'node:crypto';
import type { Tokenizer } from '../model/tokenizer.ts';
import type { AnswerRecord } from '../protocol/evaluation.ts';
import type { Grade } from '../tasks/task.ts';
import type { GradedAnswer } from './evaluate.ts';

/**
 * A name for each problem, derived from its content, so that two evaluations can be compared problem by problem. A
 * duplicate in the same file is a different problem: a count is appended to its name.
 */
export function problemNames(rows: readonly unknown[]): string[] {
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const name = digest(canonicalJson(row));
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count === 1 ? name : `${name}-${count}`;
  });
}

/** A digest of a list of problems. */
export const problemsDigest = (names: readonly string[]): string => digest(names.join('\n'));

/** An answer as a record of `answers.jsonl`. */
export function answerRecord(
  { row, prompt, completion, seed, grade, denoised }: GradedAnswer,
  problem: string,
  sample: number,
  tokenizer: Pick<Tokenizer, 'decode'>,
): AnswerRecord {
  const record: AnswerRecord = {
    problem,
    sample,
    prompt,
    completion,
    seed,
    ...grade,
    forwards: denoised.forwards,
    tokens: [...denoised.tokens],
    pieces: [...denoised.tokens].map((token) => tokenizer.decode([token], { special: true })),
    revealedAt: [...denoised.revealedAt],
    confidence: [...denoised.confidence].map((p) => Number(p.toFixed(4))),
  };
  const hidden = Object.entries(row as object).filter(
    ([name, value]) => name in record && record[name as keyof AnswerRecord] !== value,
  );
  return {
    ...(row as object),
    ...record,
    ...(hidden.length > 0 ? { row: Object.fromEntries(hidden) } : {}),
  };
}

/** The grade of an answer. */
export const gradeOf = ({ correct, extracted, scores }: AnswerRecord): Grade => ({ correct, extracted, scores });

const ours: ReadonlySet<string> = new Set<keyof AnswerRecord>([
  'problem',
  'sample',
  'prompt',
  'completion',
  'seed',
  'correct',
  'extracted',
  'scores',
  'forwards',
  'tokens',
  'pieces',
  'revealedAt',
  'confidence',
  'row',
]);

/** The problem's own fields, as its task wrote them to the record. */
export function problemFields(record: AnswerRecord): Record<string, unknown> {
  return { ...record.row, ...Object.fromEntries(Object.entries(record).filter(([name]) => !ours.has(name))) };
}

/** JSON with sorted fields, so that their order does not matter. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);
