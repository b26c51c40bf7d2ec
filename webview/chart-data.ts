/** One line of a chart; a null is a gap. */
export interface Curve {
  readonly label: string;
  /** [steps] */
  readonly values: readonly (number | null)[];
  /** 95 % limits, drawn as whiskers, [steps] */
  readonly low?: readonly (number | null)[];
  readonly high?: readonly (number | null)[];
  /** Place of the curve that this one, of another run, is compared with: it has its colour, and is dashed. */
  readonly comparedWith?: number;
}

export interface Chart {
  readonly title: string;
  /** What a reader has to know to read it. */
  readonly note?: string;
  /** Steps, ascending, [steps]. */
  readonly steps: readonly number[];
  readonly curves: readonly Curve[];
  readonly format?: (value: number) => string;
}
