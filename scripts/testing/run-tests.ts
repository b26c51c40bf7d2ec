import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, isGreen, type Outcome, summaryLine } from './outcome.ts';
import { endAll, runProgram } from './run-program.ts';
import { runTestFile } from './run-test-file.ts';
import { type Check, checks, findSuites, type Suite } from './suites.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

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
  for (const check of checks.filter(({ name }) => wanted(name))) report(await runCheck(check));
  for (const suite of findSuites(root)) {
    const files = suite.files.filter(wanted);
    if (files.length > 0) await runSuite({ ...suite, files }, home, report);
  }
  if (outcomes.length === 0) console.log(`No check and no test file has ${patterns.join(' or ')} in its name.`);
  console.log(summaryLine(outcomes));
  return isGreen(outcomes) ? 0 : 1;
}

async function runCheck({ name, script, args }: Check): Promise<Outcome> {
  const ended = await runProgram(process.execPath, [path.join(root, script), ...args], { cwd: root, limit: 600 });
  const failed = ended.code === 0 ? 0 : 1;
  const details = ended.output || `It ended with ${ended.signal ?? `exit code ${ended.code}`}.`;
  return { name, passed: 1 - failed, failed, skipped: [], seconds: ended.seconds, details };
}

async function runSuite(suite: Suite, home: string, report: (outcome: Outcome) => void): Promise<void> {
  const started = performance.now();
  try {
    await suite.prepare(console.log);
  } catch (error) {
    const seconds = (performance.now() - started) / 1000;
    const details = error instanceof Error ? error.message : String(error);
    report({ name: `${suite.name} suite: set-up`, passed: 0, failed: 1, skipped: [], seconds, details });
    return;
  }
  const waiting = [...suite.files];
  const work = async () => {
    for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
      report(await runTestFile(root, file, home));
    }
  };
  await Promise.all(Array.from({ length: suite.concurrency }, work));
}
