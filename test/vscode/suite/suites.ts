/**
 * The files of the suite in order of execution. The process outside VS Code builds them, and the one inside runs them.
 */
export const suites = ['show-devices', 'runs', 'models', 'panel', 'evaluations', 'workspace-tests'] as const;

/** The result of one test of the suite, for the process that started VS Code. */
export interface SuiteResult {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'pending';
  readonly error: string | null;
}
