// The reporter (--test-reporter) for node:test inside the sandbox. Reads a job from stdin and writes a report to
// descriptor 3. The main program is `node-test.mjs`; it loads this module first.
//
// The nonce is read, and node:test and its assertions are frozen, before any file of the workspace is loaded. Output,
// exit codes and errors of the candidate are not results: only records with the nonce count.
import assert from 'node:assert';
import strict from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import module from 'node:module';
import nodeTest from 'node:test';
import { compileFunction } from 'node:vm';
import { CallCounter, closeBackDoors, freezeIterators, freezeModules, openReport } from './common.mjs';

/** @type {{ nonce: string, files: string[], coverage: boolean, plainTypeScript: boolean }} */
const { nonce, coverage, plainTypeScript, files } = JSON.parse(readFileSync(0, 'utf8'));
/** The test files to load. */
export const testFiles = Object.freeze(files);

const { report, end } = openReport(nonce);

/** Name of a test that exists only so that node:test starts its reporter. */
export const first = 'unmask: the reporter is there';
/** @type {() => void} */
let reporterStarted;
/** @type {Promise<void>} */
export const started = new Promise((resolve) => {
  reporterStarted = resolve;
});
let taken = false;

/**
 * @typedef {{ message?: string, failureType?: string, cause?: { message?: string } }} TestError
 * @typedef {{ name: string, nesting: number, details?: { type?: string, error?: TestError }, skip?: unknown, todo?: unknown }} TestData
 * @param {AsyncIterable<{ type: string, data: TestData }>} source
 */
export default async function* reporter(source) {
  // Only the first call counts: node:test makes it before any file of the workspace is loaded.
  if (taken) return;
  taken = true;
  reporterStarted();
  /** @type {string[]} */
  const names = [];
  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @type {{ id: string, message: string | null }[]} */
  const results = [];
  /** @type {number[]} number of results when the latest test of each nesting level began */
  const before = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      names[data.nesting] = data.name;
      before[data.nesting] = results.length;
    }
    if ((type !== 'test:pass' && type !== 'test:fail') || data.name === first) continue;
    if (data.details?.type === 'suite') {
      // If a suite itself fails, usually in a hook, all of its tests fail.
      const failed = type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed';
      for (let at = before[data.nesting] ?? 0; failed && at < results.length; at++)
        /** @type {any} */ (results[at]).message ??= messageIn(data);
      continue;
    }
    let id = '';
    for (let level = 0; level < data.nesting; level++) id += `${names[level]} > `;
    id += data.name;
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    const passed = type === 'test:pass' && data.skip === undefined && data.todo === undefined;
    results[results.length] = { id: count === 1 ? id : `${id} #${count}`, message: passed ? null : messageIn(data) };
  }
  for (const { id, message } of results)
    report({ kind: 'test', id, passed: message === null, ...(message === null ? {} : { message }) });
  for (const called of calls?.records(results.map(({ id }) => id)) ?? []) report({ kind: 'coverage', ...called });
  report({ kind: 'finished' });
  end();
  yield '';
}

/** @param {TestData} data of a test or suite that did not pass */
function messageIn({ details }) {
  const error = details?.error;
  return `${error?.cause?.message ?? error?.message ?? 'skipped'}`.slice(0, 500);
}

export const calls = coverage ? new CallCounter() : null;
freezeModules([assert, strict, nodeTest]);
freezeIterators();
closeBackDoors();
report({ kind: 'started' });
if (plainTypeScript) acceptTypeScript();

/** Lets Node load `.ts` files. Their types are stripped already, so only the file extension would be rejected. */
function acceptTypeScript() {
  const load = `(url, context, next) => next(url, /\\.[cm]?ts$/.test(url)
    ? { ...context, format: url.endsWith('.cts') ? 'commonjs' : 'module' }
    : context)`;
  // Node 22.15 and newer can run the hook in this thread, which avoids a second one.
  const { registerHooks } = /** @type {any} */ (module);
  if (registerHooks) registerHooks({ load: compileFunction(`return ${load}`)() });
  else module.register(`data:text/javascript,${encodeURIComponent(`export const load = ${load};`)}`);
}
