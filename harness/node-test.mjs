// Runs node:test files inside the sandbox, after the reporter has started and frozen everything that it relies on.
import test, { afterEach, beforeEach } from 'node:test';
import { pathToFileURL } from 'node:url';
import { calls, first, started, testFiles } from './node-test-reporter.mjs';

test(first, () => {});
await started;
if (calls) attributeCalls(calls);
for (const file of testFiles)
  await import(new URL(file, pathToFileURL(`${process.cwd()}/`)).href).catch((error) => {
    // node:test would continue without the file's tests and report no error.
    console.error(error);
    process.exit(1);
  });

/**
 * Counts the calls of each test on its own. Hooks of the workspace that run around these count as calls of no test.
 *
 * @param {import('./common.mjs').CallCounter} counter
 */
function attributeCalls(counter) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  // Its full name is known to Node 20.16, 22.3 and newer.
  const nameOf = (/** @type {any} */ context) => /** @type {string} */ (context.fullName ?? context.name);
  beforeEach((context) => counter.begin(nameOf(context)));
  afterEach((context) => {
    const name = nameOf(context);
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    counter.end(name, count === 1 ? name : `${name} #${count}`);
  });
}
