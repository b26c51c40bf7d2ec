// What the programs that run tests inside of the sandbox have in common. A candidate may load it as well: it holds no
// secret, and what is used once a candidate is there is held since before.
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
 * The report: what to write a record with, and how to end at once, so that no handler of the candidate's runs any more.
 * Who puts a file of its own in the descriptor's place is to read no nonce there: then the run ends.
 *
 * @param {string} nonce
 */
export function openReport(nonce) {
  const own = stat(3);
  // Not to be answered by accessors of a prototype.
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

/** @param {unknown} error whatever a candidate throws, which may itself throw when looked at */
export function messageOf(error) {
  try {
    return text(/** @type {Error} */ (error)?.message ?? error).slice(0, 500);
  } catch {
    return 'an error that cannot be read';
  }
}

/**
 * The event that a line of a report in JSON tells; one without anything where the line is something else.
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

/** @param {readonly object[]} modules whose functions tests rely on */
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

/** Iterators of arrays and maps stay what they are: what is reported at the end goes through them. */
export function freezeIterators() {
  for (const one of [[], new Map()]) {
    Object.freeze(Object.getPrototypeOf(one[Symbol.iterator]()));
    Object.defineProperty(Object.getPrototypeOf(one), Symbol.iterator, { writable: false, configurable: false });
  }
}

/**
 * Ways by which a program reads its own memory, where the nonce is, or the inside of Node.
 *
 * @param {readonly string[]} others of `process`, which the tests of a workspace may need
 */
export function closeBackDoors(others = []) {
  for (const name of ['binding', '_linkedBinding', ...others])
    Object.defineProperty(process, name, { value: undefined, writable: false, configurable: false });
  for (const name of /** @type {const} */ (['getHeapSnapshot', 'writeHeapSnapshot', 'setFlagsFromString']))
    Object.assign(v8, { [name]: undefined });
  Object.assign(inspector, { Session: undefined, open: undefined });
  syncBuiltinESMExports();
  Object.freeze(v8);
  Object.freeze(inspector);
}

/**
 * The address of an entry of an installed package.
 *
 * @param {string} name
 * @param {string} entry as the package's exports name it
 */
export function entryOf(name, entry) {
  const folder = path.resolve('node_modules', name);
  const { exports } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
  const found = exports[entry];
  const file = typeof found === 'string' ? found : (found.import?.default ?? found.default ?? found.import);
  return pathToFileURL(path.join(folder, file)).href;
}

/** Begins to count calls; what it returns gives the functions that were called since, by the file of the workspace. */
export async function startCoverage() {
  const session = new inspector.Session();
  session.connect();
  /**
   * @param {string} method
   * @param {object} [parameters]
   * @returns {Promise<{ result: { url: string, functions: { functionName: string, ranges: { count: number, endOffset: number }[] }[] }[] }>}
   */
  const post = (method, parameters = {}) =>
    new Promise((resolve, reject) => {
      session.post(method, parameters, (error, /** @type {any} */ answer) => (error ? reject(error) : resolve(answer)));
    });
  await post('Profiler.enable');
  await post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const root = `${process.cwd()}/`;
  return async () =>
    (await post('Profiler.takePreciseCoverage')).result.flatMap(({ url, functions }) => {
      const place = decodeURIComponent(url.replace(/^file:\/\//, '').replace(/\?.*$/, ''));
      if (!place.startsWith(root) || place.includes('/node_modules/')) return [];
      const called = functions.filter(({ functionName, ranges }) => functionName !== '' && (ranges[0]?.count ?? 0) > 0);
      return [
        {
          file: place.slice(root.length),
          names: called.map(({ functionName }) => functionName),
          ends: called.map(({ ranges }) => ranges[0]?.endOffset),
        },
      ];
    });
}
