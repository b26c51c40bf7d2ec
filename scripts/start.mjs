import { requireNode } from './node.mjs';

requireNode();
const { setUp } = await import('./set-up.mjs');
const { runUnmask } = await import('./run-unmask.mjs');
setUp();
await runUnmask(['start', ...process.argv.slice(2)]);
