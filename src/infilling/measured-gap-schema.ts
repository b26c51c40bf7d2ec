import * as z from 'zod';
import { anyNumber } from '../shards/exact-json.ts';
import type { MeasuredGap } from './comparison.ts';

const completionScores = z.object({
  exact_match: anyNumber,
  edit_similarity: anyNumber,
  parses: anyNumber,
  empty: anyNumber,
});

/** A measured gap as shards store it, and the seconds that it took. */
export const measuredGapSchema = z.object({
  fits: z.boolean(),
  characters: z.int().min(0),
  scores: z.array(z.object({ shown: completionScores, likeliest: completionScores, bits: anyNumber.nullable() })),
  seconds: z.number(),
}) satisfies z.ZodType<MeasuredGap>;
