// Runs a command of the user's, inside of the sandbox: a job on stdin, a report on descriptor 3.
//
// What the command writes on stdout is read as TAP (the Test Anything Protocol). The nonce is in this process, and the
// tests are in others; but what they write on stdout is theirs.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { openReport } from './common.mjs';

/** @type {{ nonce: string, command: string, files: string[] }} */
const { nonce, command, files } = JSON.parse(readFileSync(0, 'utf8'));
const { report, end } = openReport(nonce);
report({ kind: 'started' });

const named = command.replaceAll('{file}', () => files.map((file) => `'${file.replaceAll("'", "'\\''")}'`).join(' '));
const child = spawn('/bin/sh', ['-c', named], { stdio: ['ignore', 'pipe', 'inherit'] });

/** @typedef {{ depth: number, name: string, passed: boolean }} Result */
/** @type {Result[]} */
let results = [];
/** @type {number | null} */
let planned = null;
let top = 0;
for await (const line of createInterface({ input: child.stdout })) {
  const plan = /^1\.\.(\d+)/.exec(line);
  if (plan) planned = Number(plan[1]);
  if (line.startsWith('Bail out!')) planned = -1;
  const found = /^( *)(not )?ok\b(?: +\d+)?(?: +-)? *(.*?)(?:\s+#\s*(skip|todo)\b.*)?$/i.exec(line);
  if (!found) continue;
  const [, indentation = '', not, name = '', directive] = found;
  const depth = Math.floor(indentation.length / 4);
  if (depth === 0) top++;
  add({ depth, name, passed: not === undefined && directive === undefined });
}

/**
 * A test behind its subtests is no test of its own: theirs take its name, unless it fails where none of them does.
 *
 * @param {Result} test
 */
function add(test) {
  let from = results.length;
  while (from > 0 && /** @type {Result} */ (results[from - 1]).depth > test.depth) from--;
  const own = results
    .slice(from)
    .map(({ name, passed }) => ({ depth: test.depth, name: `${test.name} > ${name}`, passed }));
  const isWhole = own.length > 0 && (test.passed || own.some(({ passed }) => !passed));
  results = [...results.slice(0, from), ...own, ...(isWhole ? [] : [test])];
}

if (planned !== top) {
  // No report is whole without an end.
  process.stderr.write(`Error: ${top} tests were reported where the plan has ${planned ?? 'no number of them'}\n`);
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
