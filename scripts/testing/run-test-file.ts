import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Outcome } from './outcome.ts';
import { runProgram } from './run-program.ts';

/** A file that takes longer is considered to hang. */
const limitSeconds = 1500;

const reporter = new URL('counting-reporter.mjs', import.meta.url).href;
const tsx = import.meta.resolve('tsx');

export interface TestFileOptions {
  /** Seconds after which the file is ended and counts as failed. */
  readonly limit?: number;
  /** Environment variables in addition to this process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Name of the outcome; default: the file. */
  readonly name?: string;
}

/**
 * Runs one node:test file in its own process. A file that crashes, hangs or contains no test counts as failed, even if its
 * tests passed.
 *
 * @param file relative to `root`
 * @param home the data home for it (`UNMASK_HOME`), so that no test sees or changes the user's own
 */
export async function runTestFile(
  root: string,
  file: string,
  home: string,
  { limit = limitSeconds, env = {}, name = file }: TestFileOptions = {},
): Promise<Outcome> {
  const folder = await mkdtemp(path.join(tmpdir(), 'unmask-test-'));
  try {
    const counts = path.join(folder, 'counts.json');
    const ended = await runProgram(
      process.execPath,
      [
        '--import',
        tsx,
        '--test-reporter=spec',
        '--test-reporter-destination=stdout',
        `--test-reporter=${reporter}`,
        `--test-reporter-destination=${counts}`,
        path.join(root, file),
      ],
      // A run that is started by a test must not report to the outer run.
      { cwd: root, limit, env: { ...env, UNMASK_HOME: home, NODE_TEST_CONTEXT: undefined } },
    );
    const { passed, failed, skipped } = await readCounts(counts);
    const problem = problemOf(ended, passed + failed + skipped.length, failed, limit);
    return {
      name,
      passed,
      failed: failed + (problem ? 1 : 0),
      skipped,
      seconds: ended.seconds,
      details: problem ? `${ended.output.trimEnd()}\n${problem}` : ended.output,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
}

async function readCounts(file: string): Promise<Counts> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text === '' ? { passed: 0, failed: 0, skipped: [] } : (JSON.parse(text) as Counts);
}

/** A problem with the file apart from its failed tests; null: none. */
function problemOf(
  ended: { code: number | null; signal: string | null; timedOut: boolean },
  reported: number,
  failed: number,
  limit: number,
): string | null {
  if (ended.timedOut) return `The file was still running after ${limit} s.`;
  if (ended.signal) return `The file was ended by ${ended.signal}.`;
  if (ended.code !== 0 && failed === 0) return `The file ended with exit code ${ended.code}.`;
  if (reported === 0) return 'The file reported no test.';
  return null;
}
