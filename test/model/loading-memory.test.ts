import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { it } from 'node:test';
import { promisify } from 'node:util';
import { type HostTensor, sizeOf } from '../../src/graph/tensor.ts';
import { inFolder } from '../../src/model/architectures/description.ts';
import { readConfig } from '../../src/model/architectures/read-config.ts';
import { writeSafetensors } from '../../src/model/safetensors.ts';
import { weightShapes } from '../../src/model/transformer.ts';

const small = path.join(import.meta.dirname, 'references', 'a2d-qwen2');

/** Writes a checkpoint of 26 million weights, in two shards of bfloat16; returns their size in bytes as f32. */
async function writeLarge(folder: string): Promise<number> {
  await cp(small, folder, { recursive: true });
  const file = path.join(folder, 'config.json');
  const sizes = {
    hidden_size: 512,
    intermediate_size: 1408,
    num_hidden_layers: 8,
    num_attention_heads: 8,
    num_key_value_heads: 8,
  };
  const fields = { ...JSON.parse(await readFile(file, 'utf8')), ...sizes, layer_types: null };
  await writeFile(file, JSON.stringify(fields));
  const shapes = [...weightShapes((await readConfig(inFolder(folder))).config)];
  const weight_map: Record<string, string> = {};
  for (const shard of [1, 2]) {
    const name = `model-0000${shard}-of-00002.safetensors`;
    const part = shapes.filter((_, index) => index % 2 === shard - 1);
    const tensors = new Map<string, HostTensor>();
    for (const [tensor, shape] of part) {
      tensors.set(tensor, { shape, data: new Float32Array(sizeOf(shape)).fill(0.01) });
      weight_map[tensor] = name;
    }
    await writeSafetensors(path.join(folder, name), tensors, { floats: 'BF16' });
  }
  await writeFile(path.join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map }));
  return shapes.reduce((sum, [, shape]) => sum + 4 * sizeOf(shape), 0);
}

it('weights are never in memory twice, neither when they are loaded nor when they are saved', async () => {
  const root = await mkdtemp(path.join(tmpdir(), 'unmask-loading-'));
  try {
    const large = path.join(root, 'large');
    const bytes = await writeLarge(large);
    const saved = path.join(root, 'saved');
    const script = path.join(import.meta.dirname, 'loading-memory.ts');
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, small, large, saved]);
    const { loading, saving } = JSON.parse(stdout) as { loading: number; saving: number };
    assert.ok(loading > 0.9 * bytes && loading < 1.3 * bytes, `loading ${bytes} bytes took ${loading}`);
    assert.ok(saving < 0.6 * bytes, `saving ${bytes} bytes took ${saving}`);
    assert.ok((await stat(path.join(saved, 'model.safetensors'))).size > bytes);
  } finally {
    await rm(root, { recursive: true });
  }
});
