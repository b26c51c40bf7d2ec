import type { EvaluationEvent, StepEvent } from './events.ts';
import type { Interval } from './interval.ts';
import type { Json } from './run.ts';
import type { Frame, SampleRecord } from './sample.ts';

/** What a report shows of a run. An empty list is shown as a section that says what is missing. */
export interface ReportData {
  readonly title: string;
  /** What was done, in plain words, one paragraph each. */
  readonly summary: readonly string[];
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** The result; null where the run was not evaluated. */
  readonly headline: ReportHeadline | null;
  /** Every hyper-parameter by name. */
  readonly settings: Readonly<Record<string, Json>>;
  /** What it ran on: device, engine, versions, seconds; a label and a value each. */
  readonly environment: readonly { readonly label: string; readonly value: string }[];
  readonly steps: readonly StepEvent[];
  readonly evaluations: readonly EvaluationEvent[];
  readonly samples: readonly ReportSamples[];
  readonly denoisings: readonly Denoising[];
}

/** What the report's page holds: the data, and the sentences that state its result. */
export interface ReportPage {
  readonly data: ReportData;
  readonly verdicts: readonly string[];
}

export interface ReportHeadline {
  readonly task: string;
  /** Number of held-out problems. */
  readonly n: number;
  /** What `before`, `after` and `control` are, one sentence each. */
  readonly descriptions: { readonly before: string; readonly after: string; readonly control: string | null };
  /** The task's metrics, the one that counts first. */
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

/** A sample without its token ids, which a reader of a report has no use for. */
export type ReportSample = Pick<SampleRecord, 'prompt' | 'completion' | 'rewards' | 'advantage'>;

/** A completion as it was written, from all masks to its last token. */
export interface Denoising {
  readonly title: string;
  readonly prompt: string;
  /** What the checker said of it, for example "solved"; null where nobody asked. */
  readonly outcome: string | null;
  /** One frame per denoising step, in order; all have the same number of positions. */
  readonly frames: readonly Frame[];
  /** Where the canvas is a grid: its first `cells` tokens, row by row. */
  readonly layout?: GridLayout;
}

export interface GridLayout {
  readonly columns: number;
  readonly cells: number;
  /** Cells that the prompt gave, [cells]. */
  readonly given?: readonly boolean[];
  /** A heavier line after every so many rows and columns, 2 for a 4x4 Sudoku. */
  readonly box?: number;
}
