// Runs test files of node:test, inside of the sandbox, once their reporter is there and has put everything out of reach.
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { first, started, testFiles } from './node-test-reporter.mjs';

test(first, () => {});
await started;
for (const file of testFiles)
  await import(new URL(file, pathToFileURL(`${process.cwd()}/`)).href).catch((error) => {
    // node:test would go on without the file's tests, and say nothing.
    console.error(error);
    process.exit(1);
  });
