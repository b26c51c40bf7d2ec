import type { Interval } from './interval.ts';
import type { GridLayout } from './report.ts';
import type { Json, RunState } from './run.ts';

/** Numerator and denominator of a metric. Over many answers, a metric is the sum of `value` over the sum of `weight`. */
export interface AnswerScore {
  readonly value: number;
  readonly weight: number;
}

/**
 * One answer of an evaluation, a line of `answers.jsonl`. The line also has the fields of the problem, as its task reads
 * them from a data file, so that `unmask score` can grade the file again.
 */
export interface AnswerRecord {
  /** Identifies the problem by its content, so that evaluations can be compared problem by problem. */
  readonly problem: string;
  /** Index of this answer among the answers to the problem, from 0. */
  readonly sample: number;
  readonly prompt: string;
  readonly completion: string;
  readonly seed: number;
  readonly correct: boolean;
  /** The answer that was extracted from the completion; null if there was none. */
  readonly extracted: string | null;
  /** One score per metric of the task. */
  readonly scores: Readonly<Record<string, AnswerScore>>;
  /** Number of forward passes. */
  readonly forwards: number;
  /** Token ids of the whole canvas, [length]. */
  readonly tokens: readonly number[];
  /** The text of each token, so that a viewer does not need the model, [length]. */
  readonly pieces: readonly string[];
  /** Denoising step, from 0, that revealed each token, [length]. */
  readonly revealedAt: readonly number[];
  /** Probability of each token when it was revealed, [length]. */
  readonly confidence: readonly number[];
  /** Fields of the problem whose names occur above with another value, such as the prompt of a `code` problem. */
  readonly row?: Readonly<Record<string, unknown>>;
}

/** `result.json` of an evaluation, and the document of `unmask eval --json`. */
export interface EvaluationDocument {
  readonly task: string;
  /** The model as the user specified it. */
  readonly model: string;
  /** Number of problems. */
  readonly n: number;
  /** The task's metrics, the main one first; with several samples, pass@k for every k up to their number. */
  readonly metrics: Readonly<Record<string, Interval>>;
  readonly forwards_per_answer: number;
  /** Tokens of the whole canvas per forward pass, a measure of parallel decoding. */
  readonly tokens_per_forward: number;
  /** Seconds spent on answers, in all processes of the run. */
  readonly seconds: number;
  /** The file of every answer. */
  readonly results: string;
  /** Name and folder of the run directory. */
  readonly run: string;
  readonly dir: string;
}

/** One line of `unmask evaluations list`. */
export interface EvaluationSummary {
  /** Name of the folder. */
  readonly run: string;
  readonly dir: string;
  readonly state: RunState;
  /** Number of answers so far, and in total. */
  readonly step: number;
  readonly steps: number | null;
  readonly eta: number | null;
  readonly task: string | null;
  readonly model: string | null;
  /** Answers per problem. */
  readonly samples: number;
  readonly asReleased: boolean;
  /** The file of the problems; null if the task generated them. */
  readonly data: string | null;
  readonly seed: number | null;
  /** Decoding settings by name; null means the default of the model or the task. */
  readonly settings: Readonly<Record<string, Json>>;
  /** ISO 8601, UTC; null if `run.json` cannot be read. */
  readonly createdAt: string | null;
  /** Null until all answers are complete. */
  readonly result: EvaluationDocument | null;
  /** Why it failed, or an error in its files. */
  readonly error?: string;
}

/** How a metric differs between two evaluations, over the problems that both answered. */
export interface MetricDifference {
  readonly name: string;
  readonly before: Interval;
  readonly after: Interval;
  /** After minus before, paired by problem. */
  readonly difference: Interval;
  /** The conclusion from the interval. */
  readonly verdict: 'better' | 'worse' | 'not distinguishable';
  /** Number of problems with a higher, a lower and an equal score. */
  readonly better: number;
  readonly worse: number;
  readonly equal: number;
}

/** The result of an evaluation on one problem. */
export interface RowOutcome {
  /** Correct answers among `samples`. */
  readonly correct: number;
  readonly samples: number;
  /** The task's first metric on this problem, from 0 to 1. */
  readonly score: number;
  /** From the first answer. */
  readonly extracted: string | null;
  readonly completion: string;
}

/** The results of both evaluations on one problem. */
export interface EvaluationRow {
  readonly problem: string;
  /** Position in the evaluation, from 1. */
  readonly number: number;
  /** The fields of the problem in one line. */
  readonly label: string;
  readonly shown: RowOutcome;
  /** Null without a comparison, or if the other evaluation does not have this problem. */
  readonly compared: RowOutcome | null;
  /** How the task's first metric changed on this problem. */
  readonly change: 'better' | 'worse' | 'same' | null;
  /** Present if the answer is a grid. */
  readonly layout?: GridLayout;
}

/** An evaluation, optionally compared with another one of the same task: `unmask evaluations show` and `compare`. */
export interface EvaluationReport {
  readonly evaluation: EvaluationSummary;
  readonly compared: EvaluationSummary | null;
  /** Evaluations that it can be compared with, newest first. */
  readonly others: readonly EvaluationSummary[];
  /** Number of problems that both answered; 0 without a comparison. */
  readonly shared: number;
  /** One per common metric. */
  readonly differences: readonly MetricDifference[];
  /** The result in sentences: the measured values, the differences, and the limits of the comparison. */
  readonly verdicts: readonly string[];
  readonly rows: readonly EvaluationRow[];
}

/** Extension to the page of an evaluation. */
export type EvaluationUpdate =
  | { readonly kind: 'report'; readonly report: EvaluationReport }
  /** All answers to one problem; `compared` is empty without a comparison. */
  | {
      readonly kind: 'answers';
      readonly problem: string;
      readonly shown: readonly AnswerRecord[];
      readonly compared: readonly AnswerRecord[];
    }
  /** A request failed; the reason is one sentence for the user. */
  | { readonly kind: 'failed'; readonly request: EvaluationRequest['kind']; readonly reason: string };

/** The page of an evaluation to the extension. */
export type EvaluationRequest =
  /** The page is ready and has no data. */
  | { readonly kind: 'ready' }
  /** Compare with another evaluation; null: do not compare. */
  | { readonly kind: 'compare'; readonly against: string | null }
  | { readonly kind: 'show-answers'; readonly problem: string }
  | { readonly kind: 'export'; readonly format: 'jsonl' | 'csv' };
