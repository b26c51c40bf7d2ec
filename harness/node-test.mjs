// Runs test files of node:test, inside of the sandbox, once their reporter is there and has put everything out of reach.
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { first, started, testFiles } from './node-test-reporter.mjs';

test(first, () => {});
await started;
for (const file of testFiles) await import(new URL(file, pathToFileURL(`${process.cwd()}/`)).href);
