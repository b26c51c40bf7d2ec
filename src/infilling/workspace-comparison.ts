import { pairedDifference, shareInterval } from '../evaluation/statistics.ts';
import type { CurvePoint, WorkspaceComparison } from '../protocol/workspace-comparison.ts';
import type { InfillingItem } from './infilling.ts';

/** What a method shows first in a gap. */
export interface WorkspaceAnswer {
  /** Empty if it has nothing to show. */
  readonly text: string;
  /** How sure it is; a method is measured by showing only answers above a threshold. */
  readonly probability: number;
  readonly milliseconds: number;
}

/** The answers of one method, one for each gap. */
export interface WorkspaceMethod {
  readonly name: string;
  readonly answers: readonly WorkspaceAnswer[];
}

/** The thresholds of the curves. */
export const curveThresholds: readonly number[] = [0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

/** The rows of the methods, and the differences of each from all before it. */
export function compareInWorkspace(
  items: readonly Pick<InfillingItem, 'middle'>[],
  methods: readonly WorkspaceMethod[],
): WorkspaceComparison {
  const right = methods.map(({ answers }) => answers.map(({ text }, index) => isRight(text, items[index]!.middle)));
  const scores = (found: readonly boolean[]) => found.map((one) => ({ value: Number(one), weight: 1 }));
  return {
    n: items.length,
    rows: methods.map(({ name, answers }, row) => ({
      name,
      exact: shareInterval(scores(right[row]!)),
      first_word: shareInterval(
        scores(answers.map(({ text }, index) => firstWord(text) === firstWord(items[index]!.middle))),
      ),
      milliseconds_p50: quantile(
        answers.map(({ milliseconds }) => milliseconds),
        0.5,
      ),
      precision_coverage: curveThresholds.map((threshold) => pointOf(answers, right[row]!, threshold)),
      coverage_at_half: coverageAt(0.5, answers, right[row]!),
    })),
    differences: methods.flatMap(({ name }, row) =>
      methods.slice(0, row).map((other, index) => ({
        of: name,
        against: other.name,
        exact: pairedDifference(scores(right[index]!), scores(right[row]!)),
      })),
    ),
  };
}

/** Whether an answer is the original text, except white space at the end. */
export const isRight = (text: string, middle: string): boolean => text.trimEnd() === middle.trimEnd();

const firstWord = (text: string): string => /^\s*([\w$]+|[^\w\s]+)/.exec(text)?.[1] ?? '';

const isShown = ({ text, probability }: WorkspaceAnswer, threshold: number): boolean =>
  text.trim() !== '' && probability >= threshold;

/** Precision and coverage at a threshold. */
export function pointOf(answers: readonly WorkspaceAnswer[], right: readonly boolean[], threshold: number): CurvePoint {
  const shown = [...answers.keys()].filter((index) => isShown(answers[index]!, threshold));
  const hits = shown.filter((index) => right[index]).length;
  return {
    threshold,
    precision: shown.length === 0 ? null : hits / shown.length,
    coverage: answers.length === 0 ? 0 : shown.length / answers.length,
  };
}

/** The largest share of gaps with an answer such that at least `precision` of them are right. */
function coverageAt(precision: number, answers: readonly WorkspaceAnswer[], right: readonly boolean[]): number {
  const thresholds = [...new Set(answers.map(({ probability }) => probability))];
  const points = thresholds.map((threshold) => pointOf(answers, right, threshold));
  return Math.max(0, ...points.filter((point) => (point.precision ?? 0) >= precision).map(({ coverage }) => coverage));
}

/** A quantile of some numbers; 0 if there are none. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
