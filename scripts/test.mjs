import { requireNode } from './node.mjs';

// Installs, builds and runs every test: `npm test`, or `npm test -- PATTERN…` for what has one of the patterns in its
// name. scripts/testing/ is TypeScript, so it can be loaded only after the packages are there.
requireNode();
const { setUp } = await import('./set-up.mjs');
setUp();
const { register } = await import('tsx/esm/api');
register();
const { runTests } = await import('./testing/run-tests.ts');
process.exitCode = await runTests(process.argv.slice(2));
