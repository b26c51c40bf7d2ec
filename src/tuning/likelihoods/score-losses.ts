/** Losses of whole sequences without a ratio: a weighted sum of their scores, or a squared distance to a target. */
import { square, total } from '../../graph/compositions.ts';
import { mul, sub } from '../../graph/primitives.ts';
import type { Loss, StepResult } from '../../training/trainer.ts';
import { sequenceScores } from './scored-sequences.ts';
import type { SequenceEntry } from './sequence-update.ts';

/** sum_a weights_a score_a. */
export const weightedScores: Loss = {
  name: 'weighted scores',
  define: ({ logp, extra }) => {
    const scores = sequenceScores(logp, extra('coefficients'));
    return { loss: total(mul(scores, extra('weights'))), metrics: { scores } };
  },
};

/** sum_a weights_a (score_a - target_scores_a)^2. */
export const squaredDistance: Loss = {
  name: 'squared distance',
  define: ({ logp, extra }) => {
    const scores = sequenceScores(logp, extra('coefficients'));
    return { loss: total(mul(square(sub(scores, extra('target_scores'))), extra('weights'))), metrics: { scores } };
  },
};

/** The mean score of the sequences in an update, for the log. */
export function scoreMetrics(entries: readonly SequenceEntry[]) {
  return ({ metrics }: StepResult): Record<string, number> => {
    // Only the last batch is padded, at its end.
    const scores = metrics.flatMap((batch) => [...batch.scores!.data]).slice(0, entries.length);
    return { score: scores.reduce((sum, score) => sum + score, 0) / entries.length };
  };
}
