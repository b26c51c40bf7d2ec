// Runs jest test files inside the sandbox. Reads a job from stdin and writes a report to descriptor 3.
//
// The nonce is read before any file of the workspace is loaded. The tests run in contexts of this process, and their
// results are those that jest returns.
import assert from 'node:assert';
import strict from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CallCounter, closeBackDoors, freezeModules, messageOf, openReport } from './common.mjs';

/** @type {{ nonce: string, files: string[], coverage: boolean }} */
const { nonce, files, coverage } = JSON.parse(readFileSync(0, 'utf8'));
const { report, end } = openReport(nonce);
const root = process.cwd();
const { runCLI } = createRequire(path.join(root, 'package.json'))('jest');
const calls = coverage ? new CallCounter() : null;
freezeModules([assert, strict]);
closeBackDoors();
report({ kind: 'started' });

const { results } = await runCLI(
  {
    _: files.map((file) => path.join(root, file)),
    $0: 'jest',
    runTestsByPath: true,
    runInBand: true,
    ci: true,
    watch: false,
    watchman: false,
    coverage: false,
    bail: 0,
    silent: true,
    reporters: [],
    cacheDirectory: path.join(tmpdir(), 'jest'),
  },
  [root],
);
const broken = results.testResults.find((/** @type {any} */ file) => file.testExecError);
if (broken) {
  // jest would continue without the file's tests. Exiting without the `finished` record makes the report incomplete.
  process.stderr.write(`Error: ${messageOf(broken.testExecError)}\n`);
  process.exit(1);
}
/** @type {Map<string, number>} */
const seen = new Map();
for (const { testResults } of results.testResults)
  for (const { ancestorTitles, title, status, failureMessages } of testResults) {
    const id = [...ancestorTitles, title].join(' > ');
    const count = (seen.get(id) ?? 0) + 1;
    seen.set(id, count);
    const passed = status === 'passed';
    const message = passed ? {} : { message: messageOf(failureMessages?.[0] ?? status) };
    report({ kind: 'test', id: count === 1 ? id : `${id} #${count}`, passed, ...message });
  }
for (const { file, names } of calls?.records([]) ?? []) report({ kind: 'coverage', file, names, ends: [] });
report({ kind: 'finished' });
end();
