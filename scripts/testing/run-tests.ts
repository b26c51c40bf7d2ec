import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { describe, isGreen, type Outcome, summaryLine } from './outcome.ts';
import { endAll } from './run-program.ts';
import { findSuites, type Suite } from './suites.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Of all suites together: a test in VS Code waits as much as it computes, so that another file fits beside it. */
const jobsAtATime = 2;

/**
 * Runs the checks and the suites, prints how each file went and the sums at the end, and returns the exit code.
 *
 * @param patterns only what has one of them in its name; everything where there is none
 */
export async function runTests(patterns: readonly string[]): Promise<number> {
  const wanted = (name: string) => patterns.length === 0 || patterns.some((pattern) => name.includes(pattern));
  const home = mkdtempSync(path.join(tmpdir(), 'unmask-home-'));
  process.once('exit', () => rmSync(home, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      endAll();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  }

  const outcomes: Outcome[] = [];
  const report = (outcome: Outcome) => {
    outcomes.push(outcome);
    console.log(describe(outcome));
  };
  const suites = findSuites(root).map((suite) => ({ ...suite, jobs: suite.jobs.filter(({ name }) => wanted(name)) }));
  await runSuites(suites, home, report);
  if (outcomes.length === 0) console.log(`No check and no test file has ${patterns.join(' or ')} in its name.`);
  console.log(summaryLine(outcomes));
  return isGreen(outcomes) ? 0 : 1;
}

/** Runs suites side by side: each begins when it is prepared, and only one is prepared at a time, as apt-get wants it. */
export async function runSuites(
  suites: readonly Suite[],
  home: string,
  report: (outcome: Outcome) => void,
): Promise<void> {
  const machine = pLimit(jobsAtATime);
  const running: Promise<void>[] = [];
  for (const suite of suites.filter(({ jobs }) => jobs.length > 0)) {
    const problem = await problemOf(suite);
    if (problem) {
      report(problem);
      continue;
    }
    const own = pLimit(suite.concurrency);
    running.push(...suite.jobs.map((job) => own(() => machine(() => job.run(home))).then(report)));
  }
  await Promise.all(running);
}

/** Prepares a suite; what came of it where that failed. */
async function problemOf({ name, prepare }: Suite): Promise<Outcome | null> {
  const started = performance.now();
  try {
    await prepare(console.log);
    return null;
  } catch (error) {
    const seconds = (performance.now() - started) / 1000;
    const details = error instanceof Error ? error.message : String(error);
    return { name: `${name} suite: set-up`, passed: 0, failed: 1, skipped: [], seconds, details };
  }
}
