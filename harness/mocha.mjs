// Runs mocha test files inside the sandbox. Reads a job from stdin and writes a report to descriptor 3.
//
// The nonce is read before any file of the workspace is loaded. A closure around each test and hook records whether its
// function completed. By changing mocha's own records, a candidate can therefore only lose a pass, not gain one.
import assert from 'node:assert';
import strict from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { CallCounter, closeBackDoors, freezeIterators, freezeModules, messageOf, openReport } from './common.mjs';

/** @type {{ nonce: string, files: string[], coverage: boolean, options: string[] }} */
const { nonce, files, coverage, options: args } = JSON.parse(readFileSync(0, 'utf8'));
const { report, end } = openReport(nonce);
// Saved here, because a candidate may replace the methods of functions.
const { apply, defineProperty } = Reflect;
const require = createRequire(path.resolve('package.json'));

/** @param {string} name of a module of mocha's command line; its file extension depends on the version */
function ofMocha(name) {
  try {
    return require(path.resolve(`node_modules/mocha/lib/cli/${name}.cjs`));
  } catch {
    return require(path.resolve(`node_modules/mocha/lib/cli/${name}.js`));
  }
}

const { default: Mocha } = await import(require.resolve('mocha'));
const options = ofMocha('options').loadOptions(args);
const plugins = await ofMocha('run-helpers').handleRequires(options.require ?? []);
const mocha = new Mocha({ ...options, ...plugins, parallel: false, bail: false, retries: 0, reporter: Reporter });
mocha.files = files.map((file) => path.resolve(file));
const calls = coverage ? new CallCounter() : null;
freezeModules([assert, strict]);
freezeIterators();
for (const [prototype, names] of /** @type {const} */ ([
  [Mocha.Runnable.prototype, ['run']],
  [Mocha.Runner.prototype, ['run', 'runTests', 'runTest', 'runSuite', 'hook', 'hooks', 'fail']],
]))
  for (const name of names) Object.defineProperty(prototype, name, { writable: false, configurable: false });
closeBackDoors();
report({ kind: 'started' });
await mocha.loadFilesAsync();
mocha.run();

/**
 * @typedef {{ title: string, titlePath(): string[], fn?: Function, state?: string, err?: unknown, pending: boolean, parent: Suite, isPending(): boolean }} Test
 * @typedef {{ parent?: Suite, suites: Suite[], _beforeAll: Test[], _beforeEach: Test[], _afterEach: Test[], _afterAll: Test[] }} Suite
 */

/** @param {any} runner */
function Reporter(runner) {
  /** @type {Map<Test, { id: string, done: boolean }>} */
  const seen = new Map();
  /** @type {Map<string, number>} */
  const names = new Map();
  runner.suite.eachTest((/** @type {Test} */ test) => {
    const id = test.titlePath().join(' > ');
    const count = (names.get(id) ?? 0) + 1;
    names.set(id, count);
    const own = { id: count === 1 ? id : `${id} #${count}`, done: false };
    seen.set(test, own);
    if (test.fn) test.fn = watched(test.fn, own);
  });
  const hooks = hooksBelow(runner.suite).map((hook) => {
    const own = { hook, done: true };
    if (hook.fn) hook.fn = watched(hook.fn, own);
    return own;
  });
  const idOf = (/** @type {Test} */ test) => seen.get(test)?.id ?? test.title;
  /** @param {Test} test */
  const failedAround = (test) => {
    for (const { hook, done } of hooks)
      if ((!done || hook.state === 'failed') && isWithin(test, hook.parent)) return hook;
    return null;
  };
  // A hook that skips its test throws, but counts as completed.
  runner.on('hook end', (/** @type {Test} */ ended) => {
    for (const own of hooks) if (own.hook === ended && ended.pending) own.done = true;
  });
  // A test that is skipped ends without a beginning.
  /** @type {Test | null} */
  let begun = null;
  runner.on('test', (/** @type {Test} */ test) => {
    begun = test;
    calls?.begin(idOf(test));
  });
  runner.on('test end', (/** @type {Test} */ test) => {
    if (begun === test) calls?.end(idOf(test));
    begun = null;
  });
  runner.once('end', () => {
    for (const [test, { id, done }] of seen) {
      const hook = failedAround(test);
      const passed = done && !hook && test.state === 'passed' && !test.isPending();
      const said = test.err ?? (hook ? `${hook.title} failed` : 'skipped');
      report({ kind: 'test', id, passed, ...(passed ? {} : { message: messageOf(said) }) });
    }
    const ids = [...seen.values()].map(({ id }) => id);
    for (const called of calls?.records(ids) ?? []) report({ kind: 'coverage', ...called });
    report({ kind: 'finished' });
    end();
  });
}

/**
 * @param {Suite} suite
 * @returns {Test[]} the hooks of a suite and of the suites in it
 */
function hooksBelow({ _beforeAll, _beforeEach, _afterEach, _afterAll, suites }) {
  return [..._beforeAll, ..._beforeEach, ..._afterEach, ..._afterAll, ...suites.flatMap(hooksBelow)];
}

/** @param {Test} test @param {Suite} suite */
function isWithin(test, suite) {
  let one = /** @type {Suite | undefined} */ (test.parent);
  while (one && one !== suite) one = one.parent;
  return one === suite;
}

/**
 * Wraps the function of a test or hook so that it records completion. The wrapper has as many parameters, because mocha
 * waits for a callback if there is one.
 *
 * @param {Function} run
 * @param {{ done: boolean }} own
 */
function watched(run, own) {
  if (run.length > 0)
    return /** @this {unknown} */ function (/** @type {(error?: unknown) => void} */ callback) {
      own.done = false;
      const finished = (/** @type {unknown} */ error) => {
        if (!error) own.done = true;
        callback(error);
      };
      defineProperty(finished, 'fail', { value: callback });
      return apply(run, this, [finished]);
    };
  return /** @this {unknown} */ function () {
    own.done = false;
    const result = apply(run, this, []);
    if (typeof result?.then !== 'function') {
      own.done = true;
      return result;
    }
    return (async () => {
      const value = await result;
      own.done = true;
      return value;
    })();
  };
}
