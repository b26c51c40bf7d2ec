import * as z from 'zod';
import type { EvaluationRequest } from '../../protocol/evaluation.ts';

/** The requests of a page. A page is not trusted, because it shows text that a model generated. */
const evaluationRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('compare'), against: z.string().min(1).max(4096).nullable() }),
  z.object({ kind: z.literal('show-answers'), problem: z.string().min(1).max(200) }),
  z.object({ kind: z.literal('export'), format: z.enum(['jsonl', 'csv']) }),
]) satisfies z.ZodType<EvaluationRequest>;

/** Parses a message of the page; null if it is not a valid request. */
export function parseEvaluationRequest(message: unknown): EvaluationRequest | null {
  return evaluationRequest.safeParse(message).data ?? null;
}
