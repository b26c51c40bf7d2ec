// Runs the tests of one candidate inside the sandbox, in one process with it: for problems whose values cannot be copied to
// another process (`separate-runner.mjs` is for the others). Reads a job from stdin and writes a report to descriptor 3.
//
// The nonce is read, the tests are compiled and the assertions are frozen before the candidate is loaded. Run it with
// --frozen-intrinsics, which freezes the language's own objects too. Output, exit codes and errors of the candidate are
// not results: only records with the nonce count.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { compileTests } from './code-tests.mjs';
import { closeBackDoors, freezeModules, openReport } from './common.mjs';

/** @type {{ nonce: string, tests: string, names: string[], file: 'candidate.mjs' | 'candidate.cjs' }} */
const { nonce, tests, names, file } = JSON.parse(readFileSync(0, 'utf8'));

// Functions that are used after the candidate is loaded are saved here, because it may replace globals.
const text = String;
const { report, end } = openReport(nonce);

const run = compileTests(tests, names);
freezeModules([assert, createRequire(import.meta.url)('node:assert')]);
fixGlobals();
closeBackDoors(['dlopen']);
report({ kind: 'started' });

// A plain script is loaded as CommonJS, whose exports are the default export.
const loaded = await import(new URL(file, pathToFileURL(`${process.cwd()}/`)).href);
const candidate = file === 'candidate.cjs' ? loaded.default : loaded;
await run(
  names.map((name) => candidate[name]),
  report,
);
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
