/**
 * Measures how much more peak memory converting a large GGUF file takes than a small one, in bytes: `node --import tsx
 * converting-memory.ts SMALL LARGE` prints `{converting}`. This needs a separate process, because a peak never falls.
 */
import { addGguf } from '../../src/catalogue/add-gguf.ts';

const [small, large] = process.argv.slice(2) as [string, string];
const add = (file: string, name: string) =>
  addGguf({ file, name, signal: new AbortController().signal, progress: () => undefined });
const peak = () => process.resourceUsage().maxRSS * 1024;
await add(small, 'small');
const before = peak();
await add(large, 'large');
console.log(JSON.stringify({ converting: peak() - before }));
