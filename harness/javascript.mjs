// Runs the tests of one candidate, inside of the sandbox: a job on stdin, a report on descriptor 3.
//
// The nonce is read, the tests are compiled and the assertions are frozen before the candidate is loaded; run it with
// --frozen-intrinsics, which does the same for the language itself. What the candidate writes, exits with or throws is
// no result: only what is reported here with the nonce is.
import assert from 'node:assert/strict';
import { readFileSync, writeSync } from 'node:fs';
import inspector from 'node:inspector';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { pathToFileURL } from 'node:url';
import v8 from 'node:v8';
import { compileFunction } from 'node:vm';

/** @type {{ nonce: string, tests: string, names: string[] }} */
const { nonce, tests, names } = JSON.parse(readFileSync(0, 'utf8'));

// What is used once the candidate is there is held here: it may put others in the places of globals.
const write = writeSync;
const { stringify } = JSON;
const text = String;
const kill = process.kill.bind(process, process.pid, 'SIGKILL');
/** @param {Record<string, unknown>} record */
const report = (record) => void write(3, `${nonce} ${stringify(record)}\n`);

const run = compileFunction(
  // Blocks inside of blocks: tests may bring a `test`, `assert` or `require` of their own.
  `'use strict'; return (async () => { {\n${tests}\n} })();`,
  ['test', 'assert', 'require', 'console', ...names],
  { filename: 'tests' },
);
freezeAssertions();
closeBackDoors();
report({ kind: 'started' });

const candidate = await import(new URL('candidate.mjs', pathToFileURL(`${process.cwd()}/`)).href);
/** @type {{ id: string, body: () => unknown }[]} */
const registered = [];
/** @type {(name: string, body: () => unknown) => void} */
const test = (name, body) => {
  const same = registered.filter(({ id }) => id === name || id.startsWith(`${name} #`)).length;
  registered[registered.length] = { id: same === 0 ? text(name) : `${name} #${same + 1}`, body };
};
const whole = await outcome(() =>
  run(test, assert, createRequire(import.meta.url), assertingConsole(), ...names.map((name) => candidate[name])),
);
// Tests that are plain assertions are one test: that they ran to their end.
if (registered.length === 0 || !whole.passed) report({ kind: 'test', id: 'all', ...whole });
else for (const { id, body } of registered) report({ kind: 'test', id, ...(await outcome(body)) });
report({ kind: 'finished' });
// At once: no handler of the candidate's runs any more.
kill();

/** @param {() => unknown} body */
async function outcome(body) {
  try {
    await body();
    return { passed: true };
  } catch (error) {
    return { passed: false, message: messageOf(error) };
  }
}

/** @param {unknown} error whatever a candidate throws, which may itself throw when looked at */
function messageOf(error) {
  try {
    return text(/** @type {Error} */ (error)?.message ?? error).slice(0, 500);
  } catch {
    return 'an error that cannot be read';
  }
}

/** HumanEval's JavaScript rows assert on the console, which elsewhere only writes. */
function assertingConsole() {
  /** @type {(condition: unknown, ...said: unknown[]) => void} */
  const check = (condition, ...said) => assert.ok(condition, said.map(text).join(' ') || 'an assertion on the console');
  return { ...console, assert: check };
}

function freezeAssertions() {
  for (const module of [assert, createRequire(import.meta.url)('node:assert')]) {
    for (const value of Object.values(module)) {
      if (typeof value !== 'function') continue;
      Object.freeze(value.prototype);
      Object.freeze(value);
    }
    Object.freeze(module);
  }
}

/** Ways by which a program reads its own memory, where the nonce is, or the inside of Node. */
function closeBackDoors() {
  for (const name of ['binding', '_linkedBinding', 'dlopen'])
    Object.defineProperty(process, name, { value: undefined, writable: false, configurable: false });
  for (const name of /** @type {const} */ (['getHeapSnapshot', 'writeHeapSnapshot', 'setFlagsFromString']))
    Object.assign(v8, { [name]: undefined });
  Object.assign(inspector, { Session: undefined, open: undefined });
  syncBuiltinESMExports();
  Object.freeze(v8);
  Object.freeze(inspector);
}
