/** What `unmask tasks --json` prints. */
export interface TaskList {
  readonly tasks: readonly {
    readonly name: string;
    readonly description: string;
    readonly metrics: readonly string[];
    /** Whether the task generates its problems; other tasks need a file of problems. */
    readonly makesProblems: boolean;
  }[];
}

/** What `unmask objectives --json` prints, as far as the extension reads it. */
export interface ObjectiveList {
  readonly objectives: readonly { readonly name: string; readonly paper: string; readonly description: string }[];
}
