// Runs the tests of a problem of the task `code`. Functions that are used while a candidate's code may run in the same
// process are saved here first, so a candidate cannot replace them.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { compileFunction } from 'node:vm';
import { messageOf } from './common.mjs';

const text = String;

/**
 * Compiles tests that use the names of a candidate. The returned function runs them with the values of those names and
 * reports each result. Plain assertions without test functions count as one test, which passes if they all run.
 *
 * @param {string} tests
 * @param {readonly string[]} names
 * @returns {(values: readonly unknown[], report: (record: Record<string, unknown>) => void, isOver?: () => boolean) => Promise<void>}
 */
export function compileTests(tests, names) {
  const run = compileFunction(
    // The inner block lets tests declare their own `test`, `assert` or `require`.
    `'use strict'; return (async () => { {\n${tests}\n} })();`,
    ['test', 'assert', 'require', 'console', ...names],
    { filename: 'tests' },
  );
  const load = createRequire(import.meta.url);
  return async (values, report, isOver = () => false) => {
    /** @type {{ id: string, body: () => unknown }[]} */
    const registered = [];
    /** @type {(name: string, body: () => unknown) => void} */
    const test = (name, body) => {
      const same = registered.filter(({ id }) => id === name || id.startsWith(`${name} #`)).length;
      registered[registered.length] = { id: same === 0 ? text(name) : `${name} #${same + 1}`, body };
    };
    const whole = await outcome(() => run(test, assert, load, assertingConsole(), ...values));
    if (registered.length === 0 || !whole.passed) report({ kind: 'test', id: 'all', ...whole });
    else
      for (const { id, body } of registered) {
        const result = await outcome(body);
        if (isOver()) return;
        report({ kind: 'test', id, ...result });
      }
  };
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
