// Runs a command inside the sandbox. Reads a job from stdin and writes a report to descriptor 3.
//
// The command's stdout is parsed in the format that the job names. The tests run in other processes, which cannot read the
// nonce, but they control what is on stdout.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openReport } from './common.mjs';

/**
 * Parser of an output format, in the file of that name. Returns the tests in a command's output, and the reason if the
 * output is incomplete.
 *
 * @typedef {(lines: AsyncIterable<string>) => Promise<{ results: { name: string, passed: boolean }[], problem: string | null }>} Read
 */

/** @type {{ nonce: string, command: string, files: string[], format: string }} */
const { nonce, command, files, format } = JSON.parse(readFileSync(0, 'utf8'));
/** @type {{ read: Read }} */
const { read } = await import(`./${format}.mjs`);
const { report, end } = openReport(nonce);
report({ kind: 'started' });

const named = command.replaceAll('{file}', () => files.map((file) => `'${file.replaceAll("'", "'\\''")}'`).join(' '));
const child = spawn('/bin/sh', ['-c', named], { stdio: ['ignore', 'pipe', 'inherit'] });
const { results, problem } = await read(createInterface({ input: child.stdout }));
if (problem !== null) {
  // Exits without the `finished` record, so the report counts as incomplete.
  process.stderr.write(`Error: ${problem}\n`);
  process.exit(1);
}
/** @type {Map<string, number>} */
const seen = new Map();
for (const { name, passed } of results) {
  const count = (seen.get(name) ?? 0) + 1;
  seen.set(name, count);
  const id = count === 1 ? name : `${name} #${count}`;
  report({ kind: 'test', id, passed, ...(passed ? {} : { message: 'not ok' }) });
}
report({ kind: 'finished' });
end();
