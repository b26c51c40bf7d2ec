/** One line of a chart; a null is a gap. */
export interface Curve {
  readonly label: string;
  /** [steps] */
  readonly values: readonly (number | null)[];
  /** 95 % limits, drawn as whiskers, [steps] */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
  /** Index of the curve of the shown run that this curve of another run is compared with: same colour, but dashed. */
  readonly comparedWith?: number;
  /** Index of the compared run among all compared runs. */
  readonly comparedRun?: number;
}

export interface Chart {
  readonly title: string;
  /** What a reader has to know to understand the chart. */
  readonly note?: string;
  /** Steps, ascending, [steps]. */
  readonly steps: readonly number[];
  readonly curves: readonly Curve[];
  /** Steps over which curves are smoothed; 1: not at all; absent: depending on the number of steps. */
  readonly window?: number;
  readonly format?: (value: number) => string;
}
