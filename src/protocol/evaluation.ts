import type { Interval } from './interval.ts';
import type { GridLayout } from './report.ts';
import type { Json, RunState } from './run.ts';

/** A sum and what it is a share of; a metric of many answers is the sum of `value` over the sum of `weight`. */
export interface AnswerScore {
  readonly value: number;
  readonly weight: number;
}

/**
 * One answer of an evaluation, a line of `answers.jsonl`. The problem's own fields, as its task reads them from a data
 * file, stand beside these, so that `unmask score` can grade the file again.
 */
export interface AnswerRecord {
  /** Names the problem by its content, so that two evaluations can be compared problem by problem. */
  readonly problem: string;
  /** Which of the problem's answers this is, from 0. */
  readonly sample: number;
  readonly prompt: string;
  readonly completion: string;
  readonly seed: number;
  readonly correct: boolean;
  /** The answer as it was read out of the completion; null where there was none. */
  readonly extracted: string | null;
  /** One score per metric of the task. */
  readonly scores: Readonly<Record<string, AnswerScore>>;
  /** Forward passes that this answer took. */
  readonly forwards: number;
  /** Token ids of the whole canvas, [length]. */
  readonly tokens: readonly number[];
  /** The text of each token, so that nobody needs the model to show them, [length]. */
  readonly pieces: readonly string[];
  /** Denoising step, from 0, that fixed each token, [length]. */
  readonly revealedAt: readonly number[];
  /** Probability that the model gave each token when it was fixed, [length]. */
  readonly confidence: readonly number[];
  /** The problem's own fields that have a name of these and another value: the prompt of a `code` problem in a frame. */
  readonly row?: Readonly<Record<string, unknown>>;
}

/** `result.json` of an evaluation, and what `unmask eval --json` prints. */
export interface EvaluationDocument {
  readonly task: string;
  /** The model as its user named it. */
  readonly model: string;
  /** Number of problems. */
  readonly n: number;
  /** The task's metrics, the first one first; with several samples, pass@k for every k up to them. */
  readonly metrics: Readonly<Record<string, Interval>>;
  readonly forwards_per_answer: number;
  /** Tokens of the whole canvas per forward pass: how parallel decoding was. */
  readonly tokens_per_forward: number;
  /** Seconds of answering, whatever process did it. */
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
  /** Answers written, and in all. */
  readonly step: number;
  readonly steps: number | null;
  readonly eta: number | null;
  readonly task: string | null;
  readonly model: string | null;
  /** Answers per problem. */
  readonly samples: number;
  readonly asReleased: boolean;
  /** The file that the problems came from; null where the task made them. */
  readonly data: string | null;
  readonly seed: number | null;
  /** How answers were decoded, by name; null leaves the model's or the task's own. */
  readonly settings: Readonly<Record<string, Json>>;
  /** ISO 8601, UTC; null where `run.json` cannot be read. */
  readonly createdAt: string | null;
  /** Null until every answer is there. */
  readonly result: EvaluationDocument | null;
  /** Why it failed, or what is wrong with its files. */
  readonly error?: string;
}

/** How a metric differs between two evaluations, over the problems that both answered. */
export interface MetricDifference {
  readonly name: string;
  readonly before: Interval;
  readonly after: Interval;
  /** After minus before, paired by problem. */
  readonly difference: Interval;
  /** What the interval allows to say. */
  readonly verdict: 'better' | 'worse' | 'not distinguishable';
  /** Problems that the evaluation scores higher on, lower, and the same. */
  readonly better: number;
  readonly worse: number;
  readonly equal: number;
}

/** What an evaluation made of a problem. */
export interface RowOutcome {
  /** Right answers among `samples`. */
  readonly correct: number;
  readonly samples: number;
  /** The task's first metric on this problem, from 0 to 1. */
  readonly score: number;
  /** Of the first answer. */
  readonly extracted: string | null;
  readonly completion: string;
}

/** One problem, side by side. */
export interface EvaluationRow {
  readonly problem: string;
  /** Place in the evaluation, from 1. */
  readonly number: number;
  /** The problem's own fields in a line. */
  readonly label: string;
  readonly shown: RowOutcome;
  /** Null where there is nothing to compare with, or it did not have this problem. */
  readonly compared: RowOutcome | null;
  /** How the task's first metric changed on this problem. */
  readonly change: 'better' | 'worse' | 'same' | null;
  /** Where the answer is a grid. */
  readonly layout?: GridLayout;
}

/** An evaluation, beside another one of the same task where there is one: `unmask evaluations show` and `compare`. */
export interface EvaluationReport {
  readonly evaluation: EvaluationSummary;
  readonly compared: EvaluationSummary | null;
  /** What it can be compared with, newest first. */
  readonly others: readonly EvaluationSummary[];
  /** Problems that both answered; 0 without a comparison. */
  readonly shared: number;
  /** One per metric that both have. */
  readonly differences: readonly MetricDifference[];
  /** The result in plain sentences; first what was measured, then how it differs, then what limits the comparison. */
  readonly verdicts: readonly string[];
  readonly rows: readonly EvaluationRow[];
}

/** Extension to the page of an evaluation. */
export type EvaluationUpdate =
  | { readonly kind: 'report'; readonly report: EvaluationReport }
  /** Every answer to one problem; `compared` is empty without a comparison. */
  | {
      readonly kind: 'answers';
      readonly problem: string;
      readonly shown: readonly AnswerRecord[];
      readonly compared: readonly AnswerRecord[];
    }
  /** What was asked for could not be done; one sentence for the user. */
  | { readonly kind: 'failed'; readonly request: EvaluationRequest['kind']; readonly reason: string };

/** The page of an evaluation to the extension. */
export type EvaluationRequest =
  /** The page is there and knows nothing. */
  | { readonly kind: 'ready' }
  /** Compare with another evaluation; null: with none. */
  | { readonly kind: 'compare'; readonly against: string | null }
  | { readonly kind: 'show-answers'; readonly problem: string }
  | { readonly kind: 'export'; readonly format: 'jsonl' | 'csv' };
