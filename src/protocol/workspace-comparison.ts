import type { Interval } from './interval.ts';

/** Precision and coverage if only answers with at least this probability are shown. */
export interface CurvePoint {
  readonly threshold: number;
  /** Share of right answers in those that are shown; null if none is shown. */
  readonly precision: number | null;
  /** Share of gaps in which an answer is shown. */
  readonly coverage: number;
}

export interface WorkspaceRow {
  readonly name: string;
  /** Share of gaps whose answer is the original text, except white space at the end. */
  readonly exact: Interval;
  /** Share of gaps whose answer begins with the original first word, number or run of punctuation. */
  readonly first_word: Interval;
  readonly milliseconds_p50: number;
  readonly precision_coverage: readonly CurvePoint[];
  /** The largest coverage at which at least half of the shown suggestions are right; 0 if there is none. */
  readonly coverage_at_half: number;
}

/** A row minus another one, on the same gaps. */
export interface WorkspaceDifference {
  readonly of: string;
  readonly against: string;
  readonly exact: Interval;
}

export interface WorkspaceComparison {
  readonly n: number;
  readonly rows: readonly WorkspaceRow[];
  readonly differences: readonly WorkspaceDifference[];
}

/** What a level of the setting `unmask.completions.eagerness` shows. */
export interface GatePoint extends CurvePoint {
  readonly level: string;
}

/** The document of `unmask infill-eval --workspace`. */
export interface WorkspaceDocument extends WorkspaceComparison {
  readonly model: string;
  readonly workspace: string;
  /** The model that was learned on the workspace, and the number of files that it was not trained on; absent: none. */
  readonly learned?: { readonly model: string; readonly held_out_files: number };
  readonly gate: readonly GatePoint[];
  readonly index: {
    readonly files: number;
    readonly characters: number;
    readonly bytes_per_character: number;
    readonly seconds_per_megabyte: number;
    readonly query_milliseconds_p90: number;
  };
  readonly seconds: number;
}
