// Runs a command, inside of the sandbox: a job on stdin, a report on descriptor 3.
//
// What the command writes on stdout is read in the format that the job says. The nonce is in this process, and the tests are
// in others; but what they write on stdout is theirs.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openReport } from './common.mjs';

/**
 * A format, by the file of that name: the tests of a command's output, and why it is not whole, if it is not.
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
  // No report is whole without an end.
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
