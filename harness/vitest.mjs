// Runs a vitest test file inside the sandbox. Reads a job from stdin; `vitest-runner.mjs` writes a report to descriptor 3.
// Both run in the same process as the tests (`threads`), because child processes do not inherit the report's descriptor.
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { entryOf } from './common.mjs';

const job = readFileSync(0, 'utf8');
/** @type {{ files: string[] }} */
const { files } = JSON.parse(job);
// The runner, in the tests' thread, deletes this file before it loads any file of the workspace.
const told = path.join(tmpdir(), 'told.json');
writeFileSync(told, job);

const { startVitest } = await import(entryOf('vitest', './node'));
const root = process.cwd();
const own = {
  watch: false,
  run: true,
  root,
  pool: 'threads',
  runner: fileURLToPath(new URL('vitest-runner.mjs', import.meta.url)),
  reporters: [{}],
  passWithNoTests: false,
  fileParallelism: false,
  isolate: true,
  retry: 0,
  bail: 0,
  cache: false,
  coverage: { enabled: false },
  typecheck: { enabled: false },
  update: false,
  env: { UNMASK_TOLD: told },
};
const vitest = await startVitest(
  'test',
  files.map((file) => path.join(root, file)),
  own,
  { cacheDir: path.join(tmpdir(), 'vite'), configLoader: 'runner', logLevel: 'error' },
);
await vitest?.close();
process.exit(process.exitCode ?? 0);
