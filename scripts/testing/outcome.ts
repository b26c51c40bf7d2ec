/** How one check or one test file went. */
export interface Outcome {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  /** Names of the tests that were skipped, each with its reason. */
  readonly skipped: readonly string[];
  readonly seconds: number;
  /** What there is to read when it failed: all it printed, and what is wrong with the file as a whole. */
  readonly details: string;
}

/** The line that ends a run, for people and for whoever reads the output. */
export function summaryLine(outcomes: readonly Outcome[]): string {
  const passed = total(outcomes, (outcome) => outcome.passed);
  const failed = total(outcomes, (outcome) => outcome.failed);
  const skipped = total(outcomes, (outcome) => outcome.skipped.length);
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

/** Whether the run as a whole is green: nothing failed, and something ran. */
export function isGreen(outcomes: readonly Outcome[]): boolean {
  return outcomes.every((outcome) => outcome.failed === 0) && outcomes.some((outcome) => outcome.passed > 0);
}

/** One line for what passed, everything for what failed; each printed line is prefixed, so none reads as a summary. */
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
