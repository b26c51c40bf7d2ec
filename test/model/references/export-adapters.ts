/**
 * Writes a random adapter for each family that transformers has, exported for PEFT, with the logits of the merged model:
 * `node --import tsx test/model/references/export-adapters.ts DIR`. `check-export.py` compares them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { resolveModel } from '../../../src/catalogue/resolve-model.ts';
import { readCheckpoint } from '../../../src/model/checkpoint.ts';
import { exportAdapter } from '../../../src/model/export-adapter.ts';
import { publishedFamily } from '../../../src/model/export-model.ts';
import { LanguageModel } from '../../../src/model/language-model.ts';
import { mergeAdapter } from '../../../src/model/merge-adapter.ts';
import { adapted } from '../tiny-adapter.ts';
import { oneThread } from '../tiny-model.ts';

const [output] = process.argv.slice(2) as [string];
const engine = oneThread();
for (const family of ['llama', 'llama-tied', 'qwen2', 'qwen3']) {
  const base = path.join(output, family);
  const checkpoint = adapted(await readCheckpoint(await resolveModel(base)), { base });
  const folder = path.join(output, `${family}-adapter`);
  await mkdir(folder, { recursive: true });
  const { architecture } = await publishedFamily(checkpoint);
  const { tensors } = await exportAdapter(folder, checkpoint.adapter, checkpoint.config, architecture);
  const tokens = [5, 9, 4, 7, 12];
  const model = await LanguageModel.load(engine, await mergeAdapter(engine, checkpoint));
  const flat = [...(await model.rawLogits(Int32Array.from(tokens)))];
  await model.dispose();
  const width = flat.length / tokens.length;
  const logits = tokens.map((_, row) => flat.slice(row * width, (row + 1) * width));
  await writeFile(path.join(folder, 'logits.json'), JSON.stringify({ tokens, logits, tensors }));
}
