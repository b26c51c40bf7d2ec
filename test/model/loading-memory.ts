import { resolveModel } from '../../src/catalogue/resolve-model.ts';
/**
 * How much more memory loading a checkpoint folder takes than a small one, and saving it after that, in bytes at the peak:
 * `node --import tsx loading-memory.ts SMALL LARGE OUTPUT` prints `{loading, saving}`. A process of its own, for a peak
 * never falls.
 */
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { oneThread } from './tiny-model.ts';

const [small, large, output] = process.argv.slice(2) as [string, string, string];
const peak = () => process.resourceUsage().maxRSS * 1024;
const engine = oneThread();
await (await LanguageModel.load(engine, await openCheckpoint(await resolveModel(small)))).dispose();
const before = peak();
const model = await LanguageModel.load(engine, await openCheckpoint(await resolveModel(large)));
const loaded = peak();
await model.save(output);
console.log(JSON.stringify({ loading: loaded - before, saving: peak() - loaded }));
