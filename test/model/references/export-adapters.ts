/**
 * Writes two random adapters for each family that transformers has, exported for PEFT, of which one converts its base, with the logits of the merged model:
 * `node --import tsx test/model/references/export-adapters.ts DIR`. `check-export.py` compares them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { resolveModel } from '../../../src/catalogue/resolve-model.ts';
import { readCheckpoint } from '../../../src/model/checkpoint.ts';
import { type Conversion, convertedConfig } from '../../../src/model/conversion.ts';
import { exportAdapter } from '../../../src/model/export-adapter.ts';
import { publishedFamily } from '../../../src/model/export-model.ts';
import { LanguageModel } from '../../../src/model/language-model.ts';
import { tokenRows, vocabularyMatrices } from '../../../src/model/lora.ts';
import { mergeAdapter } from '../../../src/model/merge-adapter.ts';
import { Random } from '../../../src/platform/random.ts';
import { adapted } from '../tiny-adapter.ts';
import { oneThread } from '../tiny-model.ts';

const [output] = process.argv.slice(2) as [string];
const engine = oneThread();
const tokens = [5, 3, 9, 6, 12];

/** An adapter with trained rows of two tokens, which converts its base. */
function conversionOf(checkpoint: ReturnType<typeof adapted>): ReturnType<typeof adapted> {
  const random = new Random(12, 'trained rows');
  const conversion: Conversion = {
    attention: 'causal-context',
    mask_token_id: 3,
    eom_token_id: 6,
    prefix_token_id: 0,
  };
  const config = convertedConfig(checkpoint.config, conversion, 'adapter');
  const weights = new Map(checkpoint.adapter.weights);
  const length = 2 * config.hidden_size;
  for (const matrix of vocabularyMatrices(config))
    weights.set(tokenRows(matrix), {
      shape: [2, config.hidden_size],
      data: Float32Array.from({ length }, () => random.normal()),
    });
  const { base } = checkpoint.adapter;
  return { ...checkpoint, config, adapter: { ...checkpoint.adapter, tokens: [3, 6], weights, base: { ...base, conversion } } };
}

for (const family of ['llama', 'llama-tied', 'qwen2', 'qwen3']) {
  const base = path.join(output, family);
  const plain = adapted(await readCheckpoint(await resolveModel(base)), { base });
  for (const [kind, checkpoint] of [
    ['adapter', plain],
    ['conversion', conversionOf(plain)],
  ] as const) {
    const folder = path.join(output, `${family}-${kind}`);
    await mkdir(folder, { recursive: true });
    const { architecture } = await publishedFamily(checkpoint);
    const { tensors } = await exportAdapter(folder, checkpoint.adapter, checkpoint.config, architecture);
    const model = await LanguageModel.load(engine, await mergeAdapter(engine, checkpoint));
    const flat = [...(await model.rawLogits(Int32Array.from(tokens)))];
    await model.dispose();
    const width = flat.length / tokens.length;
    const logits = tokens.map((_, row) => flat.slice(row * width, (row + 1) * width));
    await writeFile(path.join(folder, 'logits.json'), JSON.stringify({ tokens, logits, tensors }));
  }
}
