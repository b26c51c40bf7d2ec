/** User commands on a WebGPU adapter: a completion, an evaluation, tuning with an adapter over a quantized base. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { document, enterHome } from '../cli/unmask.ts';
import { reasonToSkip } from './adapter.ts';

const reason = await reasonToSkip();
const onGpu = ['--engine', 'onnx', '--device', 'webgpu'];

describe('commands on webgpu', { skip: reason ?? false }, () => {
  let folder: string;
  let leave: () => Promise<void>;
  before(async () => {
    ({ leave } = await enterHome());
    folder = await mkdtemp(path.join(tmpdir(), 'unmask-webgpu-'));
  });
  after(async () => {
    await rm(folder, { recursive: true, force: true });
    await leave();
  });

  it('complete code', async () => {
    const prefix = path.join(folder, 'prefix.ts');
    await writeFile(prefix, 'export function isEmpty(text: string): boolean {\n  return text.length === ');
    const ended = await document(['complete', '--prefix-file', prefix, '--language', 'typescript', ...onGpu]);
    const { text, forwards, confidence } = ended;
    assert.match(text, /^\S/);
    assert.ok(forwards >= 1 && confidence > 0 && confidence <= 1, JSON.stringify(ended));
  });

  it('evaluate a model', async () => {
    const ended = await document(['eval', '--task', 'sudoku4x4', '--limit', '4', '--runs', folder, ...onGpu]);
    const { n, metrics } = ended;
    assert.equal(n, 4);
    assert.ok(metrics.cell_accuracy.value > 0.5, 'the bundled model knows Sudokus on this device too');
  });

  for (const precision of ['f32', 'int4'])
    it(`tune with an adapter over a base in ${precision}`, async () => {
      const settings = {
        adapter: 'lora',
        lora_r: 4,
        base_precision: precision,
        prompts_per_step: 2,
        group_size: 2,
        inner_updates: 2,
        evaluation_problems: 2,
      };
      const ended = await document([
        ...['tune', '--task', 'sudoku4x4', '--steps', '2', '--runs', folder, '--test', '2', ...onGpu],
        ...Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
      ]);
      assert.equal(ended.steps, 2);
      assert.ok(ended.checkpoint.startsWith(folder), ended.checkpoint);
    });
});
