import { count } from '../platform/amounts.ts';
import type { TracedAlternative } from './runtime.ts';

/** "probability 0.41, mean confidence 0.83, copied from a.ts:12 (23 characters matched, 4 places), rejected: duplicate". */
export function describeCandidate({ confidence, probability, copiedFrom, discardedBy }: TracedAlternative): string {
  const parts = [
    ...(probability === undefined ? [] : [`probability ${probability.toFixed(2)}`]),
    ...(confidence === null ? [] : [`mean confidence ${confidence.toFixed(2)}`]),
    ...(copiedFrom
      ? [
          `copied from ${copiedFrom.name}:${copiedFrom.line} (${count(copiedFrom.matched, 'character')} matched, ${count(copiedFrom.count, 'place')})`,
        ]
      : []),
    ...(discardedBy === null ? [] : [`rejected: ${discardedBy}`]),
  ];
  return parts.join(', ');
}
