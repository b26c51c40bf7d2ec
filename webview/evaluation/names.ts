import type { EvaluationSummary } from '../../src/protocol/evaluation.ts';

/** The last part of a path. */
export const baseName = (path: string): string => path.split(/[\\/]/).filter(Boolean).at(-1) ?? path;

export const modelName = ({ model }: EvaluationSummary): string => baseName(model ?? 'unknown model');

/** When an evaluation was made, to the minute, in local time. */
export function madeAt({ createdAt }: EvaluationSummary): string {
  const time = new Date(createdAt ?? '');
  return Number.isNaN(time.getTime())
    ? 'unknown time'
    : time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}
