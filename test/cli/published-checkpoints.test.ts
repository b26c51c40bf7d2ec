import assert from 'node:assert/strict';
import { cp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ModelResidency } from '../../src/runtime/model-residency.ts';
import { document, enterHome, refusal } from './unmask.ts';

const references = path.join(import.meta.dirname, '..', 'model', 'references');
const cpu = ['--engine', 'onnx', '--device', 'cpu'];
const countdown = ['--task', 'countdown', ...cpu];

let home: string;
let leave: () => Promise<void>;
/** A copy of a reference checkpoint that answers in few tokens. */
async function installed(layout: string, generation: object): Promise<string> {
  const folder = path.join(home, 'models', layout);
  await cp(path.join(references, layout), folder, { recursive: true });
  await writeFile(path.join(folder, 'generation_config.json'), JSON.stringify(generation));
  return folder;
}
before(async () => {
  ({ home, leave } = await enterHome());
  await installed('open-dcoder', { prompt_format: 'plain', block_length: 8, tokens_per_step: 4, eos_token_id: [1] });
  await installed('llada2-moe', { prompt_format: 'plain', block_length: 8, tokens_per_step: 4 });
});
after(() => leave());

describe('a published checkpoint', () => {
  for (const layout of ['llada', 'llada2-moe'])
    it(`with the layout ${layout} has the reference logits in unmask logits`, async () => {
      const folder = path.join(references, layout);
      const { tokens, logits } = JSON.parse(await readFile(path.join(folder, 'logits.json'), 'utf8'));
      const found = await document(['logits', '--model', folder, '--tokens', tokens.join(','), ...cpu]);
      for (const [place, row] of (logits as number[][]).entries())
        for (const [token, value] of row.entries()) assert.ok(Math.abs(found.logits[place][token] - value) < 1e-3);
    });

  it('is listed with the size of all its shards', async () => {
    const { models } = await document(['models']);
    const named = (wanted: string) => models.find(({ name }: { name: string }) => name === wanted);
    const found = named('llada2-moe');
    assert.equal(found.kind, 'installed');
    assert.deepEqual([found.completes, named('open-dcoder').completes], [false, true]);
    assert.ok(found.bytes > 80_000 && found.parameters > 40_000, JSON.stringify(found));
  });

  it('completes code if it attends to the text after a gap', async () => {
    await writeFile(path.join(home, 'before.ts'), 'const total = ');
    const complete = ['complete', '--prefix-file', path.join(home, 'before.ts'), ...cpu];
    assert.equal(typeof (await document([...complete, '--model', 'open-dcoder'])).text, 'string');
    assert.match(await refusal([...complete, '--model', 'llada2-moe'], 1), /was not trained to complete code/);
  });

  it('is kept in memory by unmask serve if it completes code', async () => {
    const residency = new ModelResidency({ model: 'open-dcoder', engine: 'onnx', device: 'cpu' }, () => undefined);
    const model = await residency.get();
    assert.equal(residency.residency.state, 'ready');
    assert.ok(model.config.logit_shift);
    residency.choose({ model: 'llada2-moe', engine: 'onnx', device: 'cpu' });
    await assert.rejects(residency.get(), { name: 'UserError', message: /was not trained to complete code/ });
    await model.dispose();
  });

  it('can be tuned, and its tuned checkpoint can be used like any other', async () => {
    const set = ['prompts_per_step=2', 'group_size=2', 'evaluation_problems=1', 'learning_rate=0.001'];
    for (const model of ['open-dcoder', 'llada2-moe']) {
      const args = [
        'tune',
        ...countdown,
        '--model',
        model,
        '--steps',
        '1',
        '--test',
        '2',
        ...set.flatMap((one) => ['--set', one]),
      ];
      const { steps, after: tuned, checkpoint } = await document(args);
      assert.equal(steps, 1);
      const evaluated = await document(['eval', ...countdown, '--model', checkpoint, '--limit', '2']);
      assert.deepEqual(evaluated.metrics, tuned);
    }
  });

  it('answers messages in its chat template on request', async () => {
    const chat = ['--limit', '2', '--set', 'format=chat', '--set', 'length=8'];
    const { n, results } = await document(['eval', ...countdown, '--model', 'open-dcoder', ...chat]);
    assert.equal(n, 2);
    assert.match(await readFile(results, 'utf8'), /<reasoning>/);
    const why = await refusal(['eval', ...countdown, '--model', 'llada2-moe', ...chat], 1);
    assert.match(why, /has no chat_template/);
  });
});
