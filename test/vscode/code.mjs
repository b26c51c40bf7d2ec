#!/usr/bin/env node
import { register } from 'tsx/esm/api';

// Stands in for VS Code's own executable where that cannot be downloaded: takes its options, runs the suite in
// code-server. `@vscode/test-electron` starts it as it would start the original.
register();
const { runAsCode } = await import('./run-as-code.ts');
process.exitCode = await runAsCode(process.argv.slice(2));
