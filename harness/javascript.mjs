// Runs the tests of one candidate inside the sandbox. Reads a job from stdin and writes a report to descriptor 3.
//
// The nonce is read, the tests are compiled and the assertions are frozen before the candidate is loaded. Run it with
// --frozen-intrinsics, which freezes the language's own objects too. Output, exit codes and errors of the candidate are
// not results: only records with the nonce count.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { compileFunction } from 'node:vm';
import { closeBackDoors, freezeModules, messageOf, openReport } from './common.mjs';

/** @type {{ nonce: string, tests: string, names: string[], file: 'candidate.mjs' | 'candidate.cjs' }} */
const { nonce, tests, names, file } = JSON.parse(readFileSync(0, 'utf8'));

// Functions that are used after the candidate is loaded are saved here, because it may replace globals.
const text = String;
const { report, end } = openReport(nonce);

const run = compileFunction(
  // The inner block lets tests declare their own `test`, `assert` or `require`.
  `'use strict'; return (async () => { {\n${tests}\n} })();`,
  ['test', 'assert', 'require', 'console', ...names],
  { filename: 'tests' },
);
freezeModules([assert, createRequire(import.meta.url)('node:assert')]);
fixGlobals();
closeBackDoors(['dlopen']);
report({ kind: 'started' });

// A plain script is loaded as CommonJS, whose exports are the default export.
const loaded = await import(new URL(file, pathToFileURL(`${process.cwd()}/`)).href);
const candidate = file === 'candidate.cjs' ? loaded.default : loaded;
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
// Plain assertions without test functions count as one test, which passes if they all run.
if (registered.length === 0 || !whole.passed) report({ kind: 'test', id: 'all', ...whole });
else for (const { id, body } of registered) report({ kind: 'test', id, ...(await outcome(body)) });
report({ kind: 'finished' });
end();

/** Makes globals read-only. Of those that Node creates on first use, only the ones that the tests mention. */
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

/** A console whose `assert` throws: HumanEval's JavaScript rows use `console.assert`, which normally only prints. */
function assertingConsole() {
  /** @type {(condition: unknown, ...said: unknown[]) => void} */
  const check = (condition, ...said) => assert.ok(condition, said.map(text).join(' ') || 'an assertion on the console');
  return { ...console, assert: check };
}
