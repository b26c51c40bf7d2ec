/** The result of a check or a test file. */
export interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** Names of the tests that were skipped, each with its reason. */
  readonly skipped: readonly string[];
  readonly seconds: number;
  /** Details of a failure: the whole output, and the problem with the file as a whole. */
  readonly details: string;
}

/** The last line of a run, for people and for programs that parse the output. */
export function summaryLine(outcomes: readonly Outcome[]): string {
  const passed = total(outcomes, (outcome) => outcome.passed);
  const failed = total(outcomes, (outcome) => outcome.failed);
  const skipped = total(outcomes, (outcome) => outcome.skipped.length);
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Whether the run passed: at least one test ran, and none failed. */
export function isGreen(outcomes: readonly Outcome[]): boolean {
  return outcomes.every((outcome) => outcome.failed === 0) && outcomes.some((outcome) => outcome.passed > 0);
}

/** One line if the outcome is a pass, otherwise all details. Their lines are prefixed, so none looks like a summary. */
export function describe(outcome: Outcome): string {
  const time = `${outcome.seconds.toFixed(1)} s`;
  const lines = [`${outcome.failed > 0 ? 'FAIL' : 'ok  '} ${outcome.name}  ${count(outcome)}, ${time}`];
  for (const name of outcome.skipped) lines.push(`     skipped: ${name}`);
  if (outcome.failed > 0) {
    for (const line of outcome.details.trimEnd().split('\n')) lines.push(`     | ${line}`);
  }
  return lines.join('\n');
}

function count({ passed, failed, skipped }: Outcome): string {
  const tests = passed + failed + skipped.length;
  return `${tests} test${tests === 1 ? '' : 's'}${failed > 0 ? `, ${failed} of them failed` : ''}`;
}

function total(outcomes: readonly Outcome[], value: (outcome: Outcome) => number): number {
  return outcomes.reduce((sum, outcome) => sum + value(outcome), 0);
}
