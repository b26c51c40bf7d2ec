import { requireNode } from './node.mjs';

// Records the golden transcripts again: `npm run golden`. Review the result with `git diff test/golden`.
requireNode();
const { setUp } = await import('./set-up.mjs');
setUp();
process.env.UPDATE_GOLDEN = '1';
const { register } = await import('tsx/esm/api');
register();
const { runTests } = await import('./testing/run-tests.ts');
process.exitCode = await runTests(['test/golden/', 'test/cli/start']);
