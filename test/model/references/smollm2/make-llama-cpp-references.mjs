/**
 * Makes greedy.json beside this file: what llama.cpp writes greedily behind twenty prompts, 32 tokens each, with
 * SmolLM2-135M-Instruct's own GGUF file. Holds tokens.json, which make-smollm2-references.py makes, against llama.cpp's tokenizer.
 *
 *     npm install --prefix DIR --ignore-scripts node-llama-cpp@3.22.1
 *     node make-llama-cpp-references.mjs DIR SmolLM2-135M-Instruct.Q4_1.gguf
 */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder, file] = process.argv.slice(2);
const entry = path.resolve(folder, 'node_modules', 'node-llama-cpp', 'dist', 'index.js');
const { getLlama } = await import(pathToFileURL(entry).href);

const prompts = [
  'The capital of France is',
  'Once upon a time, in a small village by the sea,',
  'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
  'function add(a, b) {\n',
  'The three laws of thermodynamics are',
  'Water boils at',
  '#include <stdio.h>\n\nint main(void) {\n',
  'Q: What is 17 + 25?\nA:',
  'import numpy as np\n\nx = np.',
  '<h1>Welcome</h1>\n<p>',
  'Dear Sir or Madam,\n\n',
  'SELECT name, age FROM users WHERE',
  'The quick brown fox',
  'In 1969, the first',
  'class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n',
  'Ingredients:\n- 2 eggs\n- 100 g sugar\n',
  'for (let i = 0; i < 10; i++) {\n',
  'Photosynthesis is the process by which',
  '1, 1, 2, 3, 5, 8,',
  'The difference between a list and a tuple in Python is',
];
const length = 32;
const here = import.meta.dirname;

const llama = await getLlama({ gpu: false, build: 'never', logLevel: 'error' });
const model = await llama.loadModel({ modelPath: path.resolve(file), gpuLayers: 0 });

for (const { text, tokens } of JSON.parse(await readFile(path.join(here, 'tokens.json'), 'utf8'))) {
  const found = model.tokenize(text, false, 'trimLeadingSpace');
  if (String(found) !== String(tokens)) console.error(`${JSON.stringify(text)}: ${found} and ${tokens}`);
}

// Keys and values in f32, so that nothing but the rounding of activations is llama.cpp's own.
const exact = { experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32', flashAttention: false };
const context = await model.createContext({ contextSize: 256, threads: 2, ...exact });
const rows = [];
for (const prompt of prompts) {
  const sequence = context.getSequence();
  const tokens = model.tokenize(prompt, false, 'trimLeadingSpace');
  const written = [];
  for await (const token of sequence.evaluate(tokens, { temperature: 0 })) {
    written.push(token);
    if (written.length === length) break;
  }
  rows.push({ prompt, tokens, written, text: model.detokenize(written, true) });
  sequence.dispose();
}
await writeFile(path.join(here, 'greedy.json'), `[\n ${rows.map((row) => JSON.stringify(row)).join(',\n ')}\n]\n`);
await model.dispose();
