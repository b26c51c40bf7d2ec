import { requireNode } from './node.mjs';

// Installs, builds and runs all tests: `npm test`. With `npm test -- PATTERN…`, runs only tests whose name contains one of
// the patterns. scripts/testing/ is TypeScript, so it can be loaded only after the packages are installed.
requireNode();
const { setUp } = await import('./set-up.mjs');
setUp();
const { register } = await import('tsx/esm/api');
register();
const { runTests } = await import('./testing/run-tests.ts');
process.exitCode = await runTests(process.argv.slice(2));
