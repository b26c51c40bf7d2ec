// The vitest `runner` for runs inside the sandbox. Writes the report to descriptor 3.
//
// The nonce is read, and its file deleted, before any file of the workspace is loaded. A closure around each test records
// whether its function completed. By changing vitest's own records, a candidate can only lose a pass, not gain one.
import assert from 'node:assert';
import strict from 'node:assert/strict';
import { readFileSync, unlinkSync, writeSync } from 'node:fs';
import {
  CallCounter,
  closeBackDoors,
  entryOf,
  freezeIterators,
  freezeModules,
  messageOf,
  openReport,
} from './common.mjs';

const told = /** @type {string} */ (process.env.UNMASK_TOLD);
delete process.env.UNMASK_TOLD;
/** @type {{ nonce: string, coverage: boolean }} */
const { nonce, coverage } = JSON.parse(readFileSync(told, 'utf8'));
unlinkSync(told);
const { report, end } = openReport(nonce);

const { VitestTestRunner } = await import(entryOf('vitest', './runners'));
const { getFn, setFn } = await import(entryOf('vitest', './suite'));
const { chai, expect } = await import(entryOf('vitest', '.'));

/**
 * @typedef {{ type: string, name: string, mode: string, suite?: Task, file?: Task, result?: { state?: string, errors?: { message?: string }[] } }} Task
 */
export default class extends VitestTestRunner {
  #coverage = coverage ? new CallCounter() : null;
  /** @type {Map<Task, { name: string, done: boolean, message: string }>} */
  #seen = new Map();
  /** @type {Map<string, number>} */
  #names = new Map();

  /** @param {string} file @param {string} source */
  async importFile(file, source) {
    // The workspace's set-up files may extend the assertions. Test files may not.
    if (source === 'collect') {
      freezeAssertions();
      closeBackDoors();
      report({ kind: 'started' });
    }
    return super.importFile(file, source);
  }

  /** @param {Task[]} files */
  async onCollected(files) {
    await super.onCollected?.(files);
    for (const file of files) {
      if (file.result?.state === 'fail') {
        // vitest would continue without the file's tests. Without the `finished` record, the report is incomplete.
        writeSync(2, `Error: ${messageOf(file.result.errors?.[0])}\n`);
        end();
      }
      for (const test of testsOf(file)) this.#watch(test);
    }
  }

  /** @param {Task} test */
  #watch(test) {
    const id = idOf(test);
    const count = (this.#names.get(id) ?? 0) + 1;
    this.#names.set(id, count);
    const seen = { name: count === 1 ? id : `${id} #${count}`, done: false, message: 'skipped' };
    this.#seen.set(test, seen);
    const run = getFn(test);
    if (!run) return;
    setFn(test, async (/** @type {unknown[]} */ ...given) => {
      try {
        await run(...given);
        seen.done = true;
      } catch (error) {
        seen.message = messageOf(error);
        throw error;
      }
    });
  }

  /** @param {Task[]} [files] */
  async onAfterRunFiles(files) {
    await super.onAfterRunFiles?.(files);
    for (const [test, { name, done, message }] of this.#seen) {
      // Hooks and soft assertions fail a test after its function has ended, or fail only its suite.
      const error = test.result?.errors?.[0] ?? errorAround(test);
      const passed = done && test.mode === 'run' && test.result?.state === 'pass' && !error;
      const said = done ? (error?.message ?? 'failed') : message;
      report({ kind: 'test', id: name, passed, ...(passed ? {} : { message: `${said}`.slice(0, 500) }) });
    }
    // vite transforms the files, so the offsets do not refer to the source and are left out.
    for (const { file, names } of this.#coverage?.records([]) ?? [])
      report({ kind: 'coverage', file, names, ends: [] });
    report({ kind: 'finished' });
    end();
  }
}

/** @param {any} suite @returns {Task[]} */
function testsOf(suite) {
  return suite.tasks.flatMap((/** @type {any} */ task) => (task.type === 'suite' ? testsOf(task) : [task]));
}

/** @param {Task} test */
function idOf(test) {
  const names = [test.name];
  for (let suite = test.suite; suite && suite !== test.file && suite.name; suite = suite.suite)
    names.unshift(suite.name);
  return names.join(' > ');
}

/**
 * The error of a hook of the test's suites or file.
 *
 * @param {Task} test
 */
function errorAround(test) {
  let suite = test.suite;
  while (suite && !suite.result?.errors?.length) suite = suite.suite;
  return (suite ?? test.file)?.result?.errors?.[0];
}

/** Freezes the assertions, and makes vitest's globals read-only. */
function freezeAssertions() {
  for (const value of [chai.Assertion.prototype, chai.Assertion, chai.AssertionError.prototype, chai.assert, expect])
    fix(value, Reflect.ownKeys(value));
  for (const value of [chai.Assertion.prototype, chai.Assertion, chai.assert]) Object.preventExtensions(value);
  freezeModules([assert, strict]);
  freezeIterators();
  fix(globalThis, ['expect', 'assert', 'chai', 'test', 'it', 'describe', 'suite', 'vi', 'vitest']);
}

/**
 * @param {object} value
 * @param {readonly PropertyKey[]} names of the properties to make read-only
 */
function fix(value, names) {
  for (const name of names) {
    const property = Object.getOwnPropertyDescriptor(value, name);
    if (property?.configurable)
      Object.defineProperty(value, name, { configurable: false, ...('value' in property ? { writable: false } : {}) });
  }
}
