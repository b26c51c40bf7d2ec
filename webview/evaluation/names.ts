import type { EvaluationSummary } from '../../src/protocol/evaluation.ts';

/** The end of a path, which is what its user knows it by. */
export const baseName = (path: string): string => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path;

export const modelName = ({ model }: EvaluationSummary): string => baseName(model ?? 'unknown model');

/** When it was made, to the minute, as the reader's clock shows it. */
export function madeAt({ createdAt }: EvaluationSummary): string {
  const time = new Date(createdAt ?? '');
  return Number.isNaN(time.getTime())
    ? 'at an unknown time'
    : time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
