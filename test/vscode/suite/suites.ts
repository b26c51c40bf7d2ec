/** The files of the suite, in the order in which they run; the process outside builds them, the one inside runs them. */
export const suites = ['show-devices', 'runs', 'models', 'panel', 'evaluations', 'workspace-tests'] as const;

/** How one test of the suite went, for the process outside that started VS Code. */
export interface SuiteResult {
  readonly name: string;
  readonly state: 'passed' | 'failed' | 'pending';
  readonly error: string | null;
}
