// The reporter (--test-reporter) of runs of node:test inside of the sandbox: a job on stdin, a report on descriptor 3.
// `node-test.mjs` is the program that is started; it loads this module first of all.
//
// The nonce is read, and node:test and its assertions are frozen, before any file of the workspace is loaded. What the
// candidate writes, exits with or throws is no result: only what is reported here with the nonce is.
import assert from 'node:assert';
import strict from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import module from 'node:module';
import nodeTest from 'node:test';
import { compileFunction } from 'node:vm';
import { closeBackDoors, freezeIterators, freezeModules, openReport, startCoverage } from './common.mjs';

/** @type {{ nonce: string, files: string[], coverage: boolean, plainTypeScript: boolean }} */
const { nonce, coverage, plainTypeScript, files } = JSON.parse(readFileSync(0, 'utf8'));
/** The test files to load. */
export const testFiles = Object.freeze(files);

const { report, end } = openReport(nonce);

/** Name of the test with which node:test is made to start its reporter. */
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
  // Only node:test's own call counts.
  if (taken) return;
  taken = true;
  reporterStarted();
  /** @type {string[]} */
  const names = [];
  /** @type {Map<string, number>} */
  const seen = new Map();
  /** @type {{ id: string, message: string | null }[]} */
  const results = [];
  /** @type {number[]} how many results stood there when a test of a nesting began */
  const before = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      names[data.nesting] = data.name;
      before[data.nesting] = results.length;
    }
    if ((type !== 'test:pass' && type !== 'test:fail') || data.name === first) continue;
    if (data.details?.type === 'suite') {
      // A suite that fails by itself, by a hook as a rule, fails all that it holds.
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
  for (const called of (await calls?.()) ?? []) report({ kind: 'coverage', ...called });
  report({ kind: 'finished' });
  end();
  yield '';
}

/** @param {TestData} data of what did not pass */
function messageIn({ details }) {
  const error = details?.error;
  return `${error?.cause?.message ?? error?.message ?? 'skipped'}`.slice(0, 500);
}

const calls = coverage ? await startCoverage() : null;
freezeModules([assert, strict, nodeTest]);
freezeIterators();
closeBackDoors();
report({ kind: 'started' });
if (plainTypeScript) acceptTypeScript();

/** Types were taken out already; the name's ending is all that Node would mind. */
function acceptTypeScript() {
  const load = `(url, context, next) => next(url, /\\.[cm]?ts$/.test(url)
    ? { ...context, format: url.endsWith('.cts') ? 'commonjs' : 'module' }
    : context)`;
  // In this thread where Node can (22.15 and newer), which spares it a second one.
  const { registerHooks } = /** @type {any} */ (module);
  if (registerHooks) registerHooks({ load: compileFunction(`return ${load}`)() });
  else module.register(`data:text/javascript,${encodeURIComponent(`export const load = ${load};`)}`);
}
