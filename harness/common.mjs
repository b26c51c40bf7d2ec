// Shared code of the programs that run tests inside the sandbox. A candidate may load this module too: it contains no
// secret. Functions that are used after a candidate is loaded are saved here first, so a candidate cannot replace them.
import asyncHooks from 'node:async_hooks';
import { fstatSync, readFileSync, writeSync } from 'node:fs';
import inspector from 'node:inspector';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';

const write = writeSync;
const stat = fstatSync;
const { stringify } = JSON;
const text = String;
const kill = process.kill.bind(process, process.pid, 'SIGKILL');

/**
 * Opens the report. `report` writes a record; `end` kills the process immediately, so that no handler of the candidate
 * runs. If a candidate replaces the descriptor by a file of its own, the run ends before the nonce is written to it.
 *
 * @param {string} nonce
 */
export function openReport(nonce) {
  const own = stat(3);
  // Defined as data properties, so that a candidate cannot add accessors to the prototype that fake these values.
  for (const name of /** @type {const} */ (['dev', 'ino']))
    Object.defineProperty(Object.getPrototypeOf(own), name, { value: 0, writable: true });
  return {
    /** @param {Record<string, unknown>} record */
    report(record) {
      const { dev, ino } = stat(3);
      if (dev !== own.dev || ino !== own.ino) kill();
      else write(3, `${nonce} ${stringify({ __proto__: null, ...record })}\n`);
    },
    end: () => void kill(),
  };
}

/** @param {unknown} error any value thrown by a candidate; reading its properties may throw */
export function messageOf(error) {
  try {
    return text(/** @type {Error} */ (error)?.message ?? error).slice(0, 500);
  } catch {
    return 'an error that cannot be read';
  }
}

/**
 * Parses a line of a JSON report as an event. Returns an empty event if the line is not JSON.
 *
 * @param {string} line
 * @returns {Record<string, string | undefined>}
 */
export function eventOf(line) {
  try {
    return Object(JSON.parse(line));
  } catch {
    return {};
  }
}

/** @param {readonly object[]} modules with functions that tests use */
export function freezeModules(modules) {
  for (const module of modules) {
    for (const value of Object.values(module)) {
      if (typeof value !== 'function') continue;
      if (value.prototype) Object.freeze(value.prototype);
      Object.freeze(value);
    }
    Object.freeze(module);
  }
}

/** Freezes the iterators of arrays and maps, because the results are iterated for the report at the end. */
export function freezeIterators() {
  for (const one of [[], new Map()]) {
    Object.freeze(Object.getPrototypeOf(one[Symbol.iterator]()));
    Object.defineProperty(Object.getPrototypeOf(one), Symbol.iterator, { writable: false, configurable: false });
  }
}

/**
 * Removes APIs through which a program can read its own memory, which contains the nonce, or Node's internals.
 *
 * @param {readonly string[]} others further properties of `process` to remove; tests of a workspace may need them
 */
export function closeBackDoors(others = []) {
  for (const name of ['binding', '_linkedBinding', ...others])
    Object.defineProperty(process, name, { value: undefined, writable: false, configurable: false });
  for (const name of /** @type {const} */ (['getHeapSnapshot', 'writeHeapSnapshot', 'setFlagsFromString']))
    Object.assign(v8, { [name]: undefined });
  Object.assign(inspector, { Session: undefined, open: undefined });
  hideAsyncResources();
  syncBuiltinESMExports();
  Object.freeze(v8);
  Object.freeze(inspector);
  Object.freeze(asyncHooks);
}

/**
 * Hides the objects behind asynchronous work. One of them is the running test of node:test, whose methods a candidate could
 * replace. Everything else about asynchronous work stays available.
 */
function hideAsyncResources() {
  const { createHook, AsyncResource } = asyncHooks;
  Object.assign(asyncHooks, {
    executionAsyncResource: () => ({}),
    /** @param {import('node:async_hooks').HookCallbacks} callbacks */
    createHook: (callbacks) => {
      const { init } = callbacks;
      return createHook(init ? { ...callbacks, init: (id, type, trigger) => init(id, type, trigger, {}) } : callbacks);
    },
  });
  // A replaced method would be called with the running test as its `this`.
  Object.freeze(AsyncResource.prototype);
}

/**
 * The URL of an entry point of an installed package.
 *
 * @param {string} name
 * @param {string} entry its key in the package's exports
 */
export function entryOf(name, entry) {
  const folder = path.resolve('node_modules', name);
  const { exports } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const found = exports[entry];
  const file = typeof found === 'string' ? found : (found.import?.default ?? found.default ?? found.import);
  return pathToFileURL(path.join(folder, file)).href;
}

/**
 * Counts calls of the workspace's functions, and which tests make them. Reading the counters takes time, so attribution ends after
 * `mostSeconds`.
 */
export class CallCounter {
  #session = new inspector.Session();
  #root = `${process.cwd()}/`;
  /** @typedef {{ name: string, end: number, tests: Set<string> | null }} Called `tests` is null if a call belongs to no test */
  /** @type {Map<string, Map<string, Called>>} the functions of each file that were called, by name and end */
  #files = new Map();
  /** @type {string[]} the tests that are running, each inside the one before it */
  #open = [];
  #isAttributed = true;
  #milliseconds = 0;
  static #mostSeconds = 1.5;

  constructor() {
    this.#session.connect();
    this.#post('Profiler.enable');
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  }

  /** @param {string} test its name, after those of the suites and tests around it, separated by ` > ` */
  begin(test) {
    const around = this.#open.at(-1);
    // Tests that run at the same time, and not one inside the other, cannot be told apart.
    if (around !== undefined && !test.startsWith(`${around} > `)) this.#isAttributed = false;
    this.#take(null);
    this.#open.push(test);
  }

  /** @param {string} test the latest that began @param {string} [id] its name in the report */
  end(test, id = test) {
    if (this.#open.pop() !== test) this.#isAttributed = false;
    this.#take(id);
  }

  /**
   * What was called, as records of the report.
   *
   * @param {readonly string[]} ids of the tests of the report, to whose indices the records refer
   */
  records(ids) {
    this.#take(null);
    const indices = new Map(ids.map((id, index) => [id, index]));
    return [...this.#files].map(([file, functions]) => {
      const called = [...functions.values()];
      const indicesOf = (/** @type {Called} */ { tests }) =>
        this.#isAttributed && tests && [...tests].every((id) => indices.has(id))
          ? [...tests].map((id) => /** @type {number} */ (indices.get(id)))
          : null;
      return {
        file,
        names: called.map(({ name }) => name),
        ends: called.map(({ end }) => end),
        tests: called.map(indicesOf),
      };
    });
  }

  /** Attributes the calls since the last time. @param {string | null} test */
  #take(test) {
    // Reading the counters resets them, so calls that are not attributed stay counted until the end.
    if (!this.#isAttributed && this.#open.length > 0) return;
    const begin = performance.now();
    /** @type {{ result: { url: string, functions: { functionName: string, ranges: { count: number, endOffset: number }[] }[] }[] }} */
    const { result } = this.#post('Profiler.takePreciseCoverage');
    for (const { url, functions } of result) {
      const place = decodeURIComponent(url.replace(/^file:\/\//, '').replace(/\?.*$/, ''));
      if (!place.startsWith(this.#root) || place.includes('/node_modules/')) continue;
      const file = place.slice(this.#root.length);
      const known = this.#files.get(file) ?? new Map();
      this.#files.set(file, known);
      for (const { functionName: name, ranges } of functions) {
        if (name === '' || !ranges[0]?.count) continue;
        const end = ranges[0].endOffset;
        const key = `${name} ${end}`;
        const before = known.get(key) ?? { name, end, tests: new Set() };
        known.set(key, { ...before, tests: test === null ? null : (before.tests?.add(test) ?? null) });
      }
    }
    this.#milliseconds += performance.now() - begin;
    if (this.#milliseconds > 1000 * CallCounter.#mostSeconds) this.#isAttributed = false;
  }

  /**
   * Node answers in this process, before the call returns.
   *
   * @param {string} method
   * @param {object} [parameters]
   * @returns {any}
   */
  #post(method, parameters = {}) {
    let answer;
    this.#session.post(method, parameters, (error, /** @type {any} */ value) => {
      if (error) throw error;
      answer = value;
    });
    return answer;
  }
}
