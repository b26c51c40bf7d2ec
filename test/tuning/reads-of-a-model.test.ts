import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';
import { it, type TestContext } from 'node:test';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { startTuning } from '../../src/tuning/tuning-run.ts';
import { adapted } from '../model/tiny-adapter.ts';
import { oneThread, tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { temporaryFolder, tinyTuning } from '../training/tiny-runs.ts';

/** Counts how often files under a folder are opened or read through `node:fs/promises`, by their paths in the folder. */
function countReads(t: TestContext, folder: string): Map<string, number> {
  const reads = new Map<string, number>();
  for (const name of ['open', 'readFile'] as const) {
    const original = fs[name] as (...parameters: unknown[]) => Promise<unknown>;
    t.mock.method(fs, name, (...parameters: unknown[]) => {
      const file = path.relative(folder, String(parameters[0]));
      if (!file.startsWith('..')) reads.set(file, (reads.get(file) ?? 0) + 1);
      return original.apply(fs, parameters);
    });
  }
  // Modules that import these functions by name see the replacements, and after the test the originals.
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  return reads;
}

it('a tuning run on an adapter reads each file of the adapter and its base once before its first step', async (t) => {
  const models = await temporaryFolder();
  const runs = await temporaryFolder();
  const base = await writeTinyCheckpoint(path.join(models, 'base'));
  const { adapter } = adapted(tinyCheckpoint(), { base, rank: 2, targets: ['v_proj'] });
  await writeAdapter(path.join(models, 'adapter'), adapter);

  const reads = countReads(t, models);
  let atStart: Record<string, number> = {};
  const request = tinyTuning(path.join(models, 'adapter'), { steps: 1, testProblems: 0 }, { adapter: 'lora' });
  await startTuning(oneThread(), runs, request, {
    onStart: () => {
      atStart = Object.fromEntries(reads);
    },
  });

  // A file of weights is opened once for its header and once for each tensor.
  assert.deepEqual(atStart, {
    'adapter/adapter_config.json': 1,
    'adapter/base_model.json': 1,
    // The names of its tensors decide which projections a pattern selects, so its header is read once more.
    'adapter/adapter_model.safetensors': 2 + adapter.weights.size,
    'base/config.json': 1,
    'base/generation_config.json': 1,
    'base/tokenizer.json': 1,
    'base/tokenizer_config.json': 1,
    'base/model.safetensors': 1 + tinyCheckpoint().weights.size,
  });
});
