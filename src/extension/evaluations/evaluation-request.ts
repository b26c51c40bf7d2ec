import * as z from 'zod';
import type { EvaluationRequest } from '../../protocol/evaluation.ts';

/** What the page may ask for. A page is not trusted: it shows text that a model wrote. */
const evaluationRequest = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({ kind: z.literal('compare'), against: z.string().min(1).max(4096).nullable() }),
  z.object({ kind: z.literal('show-answers'), problem: z.string().min(1).max(200) }),
  z.object({ kind: z.literal('export'), format: z.enum(['jsonl', 'csv']) }),
]) satisfies z.ZodType<EvaluationRequest>;

/** A message of the page as a request; null where it is none. */
export function parseEvaluationRequest(message: unknown): EvaluationRequest | null {
  return evaluationRequest.safeParse(message).data ?? null;
}
