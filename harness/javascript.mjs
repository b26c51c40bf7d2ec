// Runs the tests of one candidate, inside of the sandbox: a job on stdin, a report on descriptor 3.
//
// The nonce is read, the tests are compiled and the assertions are frozen before the candidate is loaded; run it with
// --frozen-intrinsics, which does the same for the language itself. What the candidate writes, exits with or throws is
// no result: only what is reported here with the nonce is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { closeBackDoors, freezeModules, messageOf, openReport } from './common.mjs';

/** @type {{ nonce: string, tests: string, names: string[] }} */
const { nonce, tests, names } = JSON.parse(readFileSync(0, 'utf8'));

// What is used once the candidate is there is held here: it may put others in the places of globals.
const text = String;
const { report, end } = openReport(nonce);

const run = compileFunction(
  // Blocks inside of blocks: tests may bring a `test`, `assert` or `require` of their own.
  `'use strict'; return (async () => { {\n${tests}\n} })();`,
  ['test', 'assert', 'require', 'console', ...names],
  { filename: 'tests' },
);
freezeModules([assert, createRequire(import.meta.url)('node:assert')]);
fixGlobals();
closeBackDoors(['dlopen']);
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
end();

/** Globals stay what they are by now; of those that Node makes when they are asked for, the ones that the tests name. */
function fixGlobals() {
  for (const name of Reflect.ownKeys(globalThis)) {
    const property = Object.getOwnPropertyDescriptor(globalThis, name);
    if (!property?.configurable || !('value' in property || tests.includes(text(name)))) continue;
    const value = Reflect.get(globalThis, name);
    Object.defineProperty(globalThis, name, { value, writable: false, configurable: false });
  }
}

/** @param {() => unknown} body */
async function outcome(body) {
  try {
    await body();
    return { passed: true };
  } catch (error) {
    return { passed: false, message: messageOf(error) };
  }
}

/** HumanEval's JavaScript rows assert on the console, which elsewhere only writes. */
function assertingConsole() {
  /** @type {(condition: unknown, ...said: unknown[]) => void} */
  const check = (condition, ...said) => assert.ok(condition, said.map(text).join(' ') || 'an assertion on the console');
  return { ...console, assert: check };
}
