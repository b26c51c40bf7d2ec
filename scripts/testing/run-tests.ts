import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pLimit from 'p-limit';
import { describe, isGreen, type Outcome, summaryLine } from './outcome.ts';
import { endAll } from './run-program.ts';
import { findSuites, type Job, type Suite } from './suites.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Maximum number of parallel jobs. With a third one, tuning runs of the tests in VS Code, which have a low priority, hardly get
 * any processor time, and the whole takes no less time.
 */
const jobsAtATime = 2;

/**
 * Runs the checks and the suites, prints the result of each file and the totals, and returns the exit code.
 *
 * @param patterns selects the jobs whose name contains one of them; if there are none, all jobs run except those that run
 * on request
 */
export async function runTests(patterns: readonly string[]): Promise<number> {
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
  const suites = findSuites(root).map((suite) => ({ ...suite, jobs: selectJobs(suite, patterns) }));
  await runSuites(suites, home, report);
  if (outcomes.length === 0) console.log(`No check and no test file has ${patterns.join(' or ')} in its name.`);
  console.log(summaryLine(outcomes));
  return isGreen(outcomes) ? 0 : 1;
}

/** The jobs of a suite that the patterns select. Jobs on request need a pattern that begins with the suite's name. */
export function selectJobs({ name: suite, jobs }: Suite, patterns: readonly string[]): Job[] {
  return jobs.filter(({ name, onRequest = false }) => {
    if (patterns.length === 0) return !onRequest;
    return patterns.some((pattern) => name.includes(pattern) && (!onRequest || pattern.startsWith(suite)));
  });
}

/** Runs suites in parallel. Each starts when it is prepared; they are prepared one at a time because apt-get locks. */
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

/** Prepares a suite and returns the outcome to report if that failed. */
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
