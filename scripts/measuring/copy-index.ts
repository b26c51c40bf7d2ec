/**
 * Measures the index of copies on the texts of a folder:
 *
 *     node --import tsx scripts/measuring/copy-index.ts FOLDER
 *
 * It prints processor time per megabyte to build the index, bytes of memory per character, and the processor time of queries in the
 * middle of random files.
 */
import os from 'node:os';
import { findCopies } from '../../src/copies/find-copies.ts';
import { quantile } from '../../src/infilling/workspace-comparison.ts';
import { Random } from '../../src/platform/random.ts';
import { indexOf, workspaceTexts } from '../../src/runtime/workspace-answers.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: copy-index.ts FOLDER');

const texts = await workspaceTexts(folder);
const before = processorMilliseconds();
const index = indexOf(texts);
const build = processorMilliseconds() - before;
const { files, characters, bytes } = index.size;
const random = new Random(0, 'queries');
const queries = Array.from({ length: 500 }, () => {
  const { name, text } = random.pick(texts);
  const place = random.integer(text.length);
  const begin = processorMilliseconds();
  findCopies(index, {
    name,
    prefix: text.slice(0, place),
    suffix: text.slice(place),
    singleLine: true,
    isNear: () => false,
  });
  return processorMilliseconds() - begin;
});
const megabytes = characters / 1e6;
console.log(
  `${os.cpus()[0]?.model}: ${files} files of ${megabytes.toFixed(1)} MB; ${(build / 1000 / megabytes).toFixed(2)} s per MB to build, ${(bytes / characters).toFixed(1)} bytes per character; queries: half within ${quantile(queries, 0.5).toFixed(1)} ms, 90 % within ${quantile(queries, 0.9).toFixed(1)} ms`,
);

function processorMilliseconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
