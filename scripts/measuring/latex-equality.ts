/**
 * Compares answers of MATH with Unmask's own equality and with that of `@cortex-js/compute-engine`, and prints a Markdown table: whether
 * the two answers are equal, and how long the library took. Install the library in a folder of its own:
 *
 *     npm install --prefix /tmp/library @cortex-js/compute-engine@0.140.0
 *     node --import tsx scripts/measuring/latex-equality.ts /tmp/library
 */
import { createRequire } from 'node:module';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { equalAnswers } from '../../src/tasks/math-equality.ts';

/** Milliseconds after which a comparison is ended. */
const patience = 20_000;

/** Two answers, and whether they are equal. */
const pairs: readonly [string, string, boolean][] = [
  ['\\sqrt{8}', '2\\sqrt{2}', true],
  ['\\frac{\\pi}{2}', '\\pi/2', true],
  ['1/2+1/3', '5/6', true],
  ['\\cos 60^\\circ', '\\frac12', true],
  ['(1+i)^2', '2i', true],
  ['x^2+2x+1', '(x+1)^2', true],
  ['1 000', '1000', true],
  ['1e3', '1000', true],
  ['2\\frac12', '2.5', true],
  ['2 1/2', '2.5', true],
  ['0.\\overline{3}', '\\frac13', true],
  ['(1,4.5)', '(1,\\frac92)', true],
  ['\\log_2 8', '3', true],
  ['5\\,\\mathrm{cm}', '5', true],
  ['\\binom{5}{2}', '10', true],
  ['\\frac{1}{\\sqrt2}', '\\frac{\\sqrt2}{2}', true],
  ['10110_2', '22', false],
  ['|x|', 'x', false],
  ['2^{64}', '2^{64}+1', false],
  ['9^{9^9}', '1', false],
];

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('Give the folder in which @cortex-js/compute-engine is installed.');
const library = createRequire(path.resolve(folder, 'package.json')).resolve('@cortex-js/compute-engine');
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const { ComputeEngine } = require(workerData);
const engine = new ComputeEngine();
parentPort.postMessage('loaded');
parentPort.on('message', ([one, other]) => parentPort.postMessage(engine.parse(one).isEqual(engine.parse(other)) === true));
`;

/** The next message of the worker and the milliseconds until it came; null if it did not come in time. */
async function nextMessage(worker: Worker): Promise<{ value: unknown; milliseconds: number } | null> {
  const begin = performance.now();
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(null), patience);
    worker.once('message', (value) => {
      clearTimeout(timer);
      resolve({ value, milliseconds: Math.round(performance.now() - begin) });
    });
  });
}

const open = async () => {
  const worker = new Worker(program, { eval: true, workerData: library });
  return { worker, loaded: await nextMessage(worker) };
};

let { worker, loaded } = await open();
console.log(`The library was loaded in ${loaded?.milliseconds} ms.\n`);
console.log('| answers | equal | Unmask | library | milliseconds |\n|---|---|---|---|---|');
const right = { unmask: 0, library: 0 };
for (const [one, other, isEqual] of pairs) {
  worker.postMessage([one, other]);
  const theirs = await nextMessage(worker);
  if (theirs === null) {
    await worker.terminate();
    ({ worker } = await open());
  }
  const ours = equalAnswers(one, other);
  if (ours === isEqual) right.unmask++;
  if (theirs?.value === isEqual) right.library++;
  const cells = [`\`${one}\`, \`${other}\``, isEqual, ours, theirs?.value ?? 'ended', theirs?.milliseconds ?? patience];
  console.log(`| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |`);
}
await worker.terminate();
console.log(`\nRight: Unmask ${right.unmask} of ${pairs.length}, the library ${right.library}.`);
