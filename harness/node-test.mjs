// Runs node:test files inside the sandbox, after the reporter has started and frozen everything that it relies on.
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { first, started, testFiles } from './node-test-reporter.mjs';

test(first, () => {});
await started;
for (const file of testFiles)
  await import(new URL(file, pathToFileURL(`${process.cwd()}/`)).href).catch((error) => {
    // node:test would continue without the file's tests and report no error.
    console.error(error);
    process.exit(1);
  });
