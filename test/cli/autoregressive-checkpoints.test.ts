import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ModelResidency } from '../../src/runtime/model-residency.ts';
import { document, enterHome, refusal } from './unmask.ts';

const references = path.join(import.meta.dirname, '..', 'model', 'references');
const cpu = ['--engine', 'onnx', '--device', 'cpu'];
const folder = path.join(references, 'qwen3');
const assertRejected = /^This is an autoregressive model, usable only as a baseline or as the start of a conversion/;

let leave: () => Promise<void>;
before(async () => {
  ({ leave } = await enterHome());
});
after(() => leave());

describe('a published autoregressive checkpoint', () => {
  for (const layout of ['llama', 'qwen3'])
    it(`with the layout ${layout} has the reference logits in unmask logits`, async () => {
      const { tokens, logits } = JSON.parse(await readFile(path.join(references, layout, 'logits.json'), 'utf8'));
      const model = path.join(references, layout);
      const found = await document(['logits', '--model', model, '--tokens', tokens.join(','), ...cpu]);
      for (const [place, row] of (logits as number[][]).entries())
        for (const [token, value] of row.entries()) assert.ok(Math.abs(found.logits[place][token] - value) < 1e-3);
    });

  it('can be added, and is listed as unable to complete code', async () => {
    const { model } = await document(['models', 'add', folder, '--name', 'baseline']);
    assert.deepEqual([model.name, model.completes, model.problem], ['baseline', false, null]);
  });

  it('is rejected by every command that denoises, with its possible uses', async () => {
    await writeFile('before.ts', 'const total = ');
    await writeFile('case.json', JSON.stringify({ prompt: [5], completions: [[6]], rewards: [1], masks: [[[0, 1]]] }));
    for (const command of [
      ['complete', '--prefix-file', 'before.ts'],
      ['eval', '--task', 'countdown', '--limit', '1'],
      ['tune', '--task', 'countdown', '--steps', '1'],
      ['tune', '--task', 'countdown', '--steps', '1', '--set', 'adapter=lora'],
      ['compare', '--task', 'countdown', '--objectives', 'spg-mixture', '--seeds', '1'],
      ['loss', '--objective', 'spg-mixture', '--case', 'case.json'],
    ])
      assert.match(await refusal([...command, '--model', folder, ...cpu], 1), assertRejected, command.join(' '));
    const residency = new ModelResidency({ model: folder, engine: 'onnx', device: 'cpu' }, () => undefined);
    await assert.rejects(residency.get(), { name: 'UserError', message: assertRejected });
  });
});
