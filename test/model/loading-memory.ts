import { resolveModel } from '../../src/catalogue/resolve-model.ts';
/**
 * Measures how much more peak memory it takes to load a checkpoint folder than a small one, and then to save it, in
 * bytes: `node --import tsx loading-memory.ts SMALL LARGE OUTPUT` prints `{loading, saving}`. This needs a separate
 * process, because a peak never falls.
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
