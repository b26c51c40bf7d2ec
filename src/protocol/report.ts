import type { EvaluationEvent, StepEvent } from './events.ts';
import type { Interval } from './interval.ts';
import type { Json } from './run.ts';
import type { Frame, SampleRecord } from './sample.ts';

/** The data of a report. The section of an empty list says that nothing was recorded. */
export interface ReportData {
  readonly title: string;
  /** What was done, one paragraph each. */
  readonly summary: readonly string[];
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** The result; null if the run was not evaluated. */
  readonly headline: ReportHeadline | null;
  /** Every hyper-parameter by name. */
  readonly settings: Readonly<Record<string, Json>>;
  /** Device, engine, versions and time; a label and a value each. */
  readonly environment: readonly { readonly label: string; readonly value: string }[];
  readonly steps: readonly StepEvent[];
  readonly evaluations: readonly EvaluationEvent[];
  readonly samples: readonly ReportSamples[];
  readonly denoisings: readonly Denoising[];
}

/** The data of a report's page, with its conclusions as sentences. */
export interface ReportPage {
  readonly data: ReportData;
  readonly verdicts: readonly string[];
}

export interface ReportHeadline {
  readonly task: string;
  /** Number of held-out problems. */
  readonly n: number;
  /** Descriptions of `before`, `after` and `control`, one sentence each. */
  readonly descriptions: { readonly before: string; readonly after: string; readonly control: string | null };
  /** The task's metrics, the main one first. */
  readonly metrics: readonly MetricComparison[];
}

/** One metric on the same problems; the differences are paired. */
export interface MetricComparison {
  readonly name: string;
  readonly before: Interval;
  readonly after: Interval;
  readonly control: Interval | null;
  /** After minus before. */
  readonly difference: Interval | null;
  /** After minus control. */
  readonly versusControl: Interval | null;
}

/** The completions of one step. */
export interface ReportSamples {
  readonly step: number;
  readonly records: readonly ReportSample[];
}

/** A sample without its token ids, which a report does not show. */
export type ReportSample = Pick<SampleRecord, 'prompt' | 'completion' | 'rewards' | 'advantage'>;

/** The denoising of a completion, from all masks to its last token. */
export interface Denoising {
  readonly title: string;
  readonly prompt: string;
  /** The verdict of the checker, for example "solved"; null if it was not checked. */
  readonly outcome: string | null;
  /** One frame per denoising step, in order; all have the same number of positions. */
  readonly frames: readonly Frame[];
  /** Present if the first `cells` tokens of the canvas form a grid, row by row. */
  readonly layout?: GridLayout;
}

export interface GridLayout {
  readonly columns: number;
  readonly cells: number;
  /** Whether each cell comes from the prompt, [cells]. */
  readonly given?: readonly boolean[];
  /** Number of rows and columns between two heavy lines, 2 for a 4x4 Sudoku. */
  readonly box?: number;
}
