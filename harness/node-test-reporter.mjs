// The reporter (--test-reporter) of runs of node:test inside of the sandbox: a job on stdin, a report on descriptor 3.
// `node-test.mjs` is the program that is started; it loads this module first of all.
//
// The nonce is read, and node:test and its assertions are frozen, before any file of the workspace is loaded. What the
// candidate writes, exits with or throws is no result: only what is reported here with the nonce is.
import assert from 'node:assert';
import strict from 'node:assert/strict';
import { readFileSync, writeSync } from 'node:fs';
import inspector from 'node:inspector';
import { register, syncBuiltinESMExports } from 'node:module';
import nodeTest from 'node:test';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';

/** @type {{ nonce: string, files: string[], coverage: boolean, plainTypeScript: boolean }} */
const { nonce, coverage, plainTypeScript, files } = JSON.parse(readFileSync(0, 'utf8'));
/** The test files to load. */
export const testFiles = Object.freeze(files);

// What is used once the candidate is there is held here: it may put others in the places of globals.
const write = writeSync;
const { stringify } = JSON;
const kill = process.kill.bind(process, process.pid, 'SIGKILL');
/** @param {Record<string, unknown>} record without a prototype, which could bring a `toJSON` */
const report = (record) => void write(3, `${nonce} ${stringify(record)}\n`);

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
 * @typedef {{ name: string, nesting: number, details?: { type?: string, error?: { message?: string, cause?: { message?: string } } }, skip?: unknown, todo?: unknown }} TestData
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
  for await (const { type, data } of source) {
    if (type === 'test:start') names[data.nesting] = data.name;
    if ((type !== 'test:pass' && type !== 'test:fail') || data.details?.type === 'suite' || data.name === first)
      continue;
    let id = '';
    for (let level = 0; level < data.nesting; level++) id += `${names[level]} > `;
    id += data.name;
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    const passed = type === 'test:pass' && data.skip === undefined && data.todo === undefined;
    const error = data.details?.error;
    const message = passed ? {} : { message: `${error?.cause?.message ?? error?.message ?? 'skipped'}`.slice(0, 500) };
    report({ __proto__: null, kind: 'test', id: count === 1 ? id : `${id} #${count}`, passed, ...message });
  }
  if (session) await reportCoverage(session);
  report({ __proto__: null, kind: 'finished' });
  // At once: no handler of the candidate's runs any more.
  kill();
  yield '';
}

const session = coverage ? await startCoverage() : null;
freeze();
closeBackDoors();
report({ __proto__: null, kind: 'started' });
if (plainTypeScript) acceptTypeScript();

/** Types were taken out already; the name's ending is all that Node would mind. */
function acceptTypeScript() {
  const hooks = `
    export async function load(url, context, next) {
      if (!/\\.[cm]?ts$/.test(url)) return next(url, context);
      return next(url, { ...context, format: url.endsWith('.cts') ? 'commonjs' : 'module' });
    }`;
  register(`data:text/javascript,${encodeURIComponent(hooks)}`);
}

async function startCoverage() {
  const connected = new inspector.Session();
  connected.connect();
  await post(connected, 'Profiler.enable');
  await post(connected, 'Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  return connected;
}

/**
 * @param {inspector.Session} connected
 * @param {string} method
 * @param {object} [parameters]
 * @returns {Promise<{ result: { url: string, functions: { functionName: string, ranges: { count: number, endOffset: number }[] }[] }[] }>}
 */
function post(connected, method, parameters = {}) {
  return new Promise((resolve, reject) => {
    connected.post(method, parameters, (error, /** @type {any} */ answer) => (error ? reject(error) : resolve(answer)));
  });
}

/** @param {inspector.Session} connected */
async function reportCoverage(connected) {
  const root = pathToFileURL(`${process.cwd()}/`).href;
  for (const { url, functions } of (await post(connected, 'Profiler.takePreciseCoverage')).result) {
    if (!url.startsWith(root) || url.includes('/node_modules/')) continue;
    const called = functions.filter(({ functionName, ranges }) => functionName !== '' && (ranges[0]?.count ?? 0) > 0);
    const file = decodeURIComponent(url.slice(root.length)).replace(/\?.*$/, '');
    const names = called.map(({ functionName }) => functionName);
    const ends = called.map(({ ranges }) => ranges[0]?.endOffset);
    report({ __proto__: null, kind: 'coverage', file, names, ends });
  }
}

function freeze() {
  for (const module of [assert, strict, nodeTest]) {
    for (const value of Object.values(module)) {
      if (typeof value !== 'function') continue;
      if (value.prototype) Object.freeze(value.prototype);
      Object.freeze(value);
    }
    Object.freeze(module);
  }
}

/** Ways by which a program reads its own memory, where the nonce is, or the inside of Node. */
function closeBackDoors() {
  for (const name of ['binding', '_linkedBinding'])
    Object.defineProperty(process, name, { value: undefined, writable: false, configurable: false });
  for (const name of ['getHeapSnapshot', 'writeHeapSnapshot']) Object.assign(v8, { [name]: undefined });
  Object.assign(inspector, { Session: undefined, open: undefined });
  syncBuiltinESMExports();
  Object.freeze(v8);
  Object.freeze(inspector);
}
