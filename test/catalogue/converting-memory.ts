/**
 * How much more memory converting a GGUF file takes than a small one, in bytes at the peak: `node --import tsx
 * converting-memory.ts SMALL LARGE` prints `{converting}`. A process of its own, for a peak never falls.
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
