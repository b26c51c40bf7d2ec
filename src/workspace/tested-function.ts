/** A function that is covered by tests: a problem of the task `workspace`. */
export interface TestedFunction {
  readonly workspace: string;
  /** Digest of the snapshot on which its tests run. */
  readonly snapshot: string;
  /** The user's test command; null: the detected runner. */
  readonly command: string | null;
  readonly file: string;
  readonly function: string;
  readonly line: number;
  /** VS Code's language id. */
  readonly language: string;
  /** The file's text before the body, the body, and the text after it. */
  readonly prefix: string;
  readonly body: string;
  readonly suffix: string;
  readonly guards: readonly CoveringTests[];
}

/** A test file with tests that fail without the function's body. */
export interface CoveringTests {
  readonly testFile: string;
  /** The tests that fail. */
  readonly tests: readonly string[];
  /** All tests of the file that a complete report lists. */
  readonly expected: readonly string[];
}
