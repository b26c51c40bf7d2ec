import { requireNode } from './node.mjs';

// Installs, builds, and tries to break what can break: `npm run torture`. See test/torture/torture.ts.
requireNode();
const { setUp } = await import('./set-up.mjs');
setUp();
const { register } = await import('tsx/esm/api');
register();
await import('../test/torture/torture.ts');
