import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { writeAdapter } from '../../src/model/adapter-folder.ts';
import { keptBytes } from '../../src/model/memory.ts';
import { weightShapes } from '../../src/model/transformer.ts';
import { assertNear } from '../model/assert-near.ts';
import { adapted } from '../model/tiny-adapter.ts';
import { tinyCheckpoint, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { document, enterHome, refusal, unmask } from './unmask.ts';

let home: string;
let leave: () => Promise<void>;
before(async () => {
  ({ home, leave } = await enterHome());
  await writeTinyCheckpoint(path.join(home, 'models', 'tiny'));
});
after(() => leave());

const cpu = ['--engine', 'onnx', '--device', 'cpu'];
const logitsOf = async (model: string): Promise<number[]> =>
  (await document(['logits', '--model', model, '--tokens', '5,2,9', ...cpu])).logits.flat();

it("a merge that exceeds this machine's memory is rejected before weights are read", async (test) => {
  const checkpoint = tinyCheckpoint();
  const { adapter } = adapted(checkpoint, { base: 'tiny' });
  await writeAdapter('adapter', adapter);
  // The base alone would fit, but not together with the merged weights.
  const limit = keptBytes(weightShapes(checkpoint.config)) + 1000;
  const constrained = test.mock.method(process, 'constrainedMemory', () => limit);
  const merge = ['merge', './adapter', '--model', 'merged', ...cpu];
  assert.match(await refusal(merge, 1), /The model needs .* of memory, but this machine has .*; choose a smaller/);
  constrained.mock.restore();
  assert.equal((await document(merge)).base, 'tiny');
});

it('an adapter can be tuned, used like any other model, and merged into a full model', async () => {
  const settings = ['adapter=lora', 'lora_r=2', 'prompts_per_step=2', 'group_size=3', 'evaluation_problems=2'];
  const pairs = [...settings, 'learning_rate=0.1', 'warmup_steps=0'].flatMap((pair) => ['--set', pair]);
  const tune = ['tune', '--task', 'sudoku4x4', '--model', 'tiny', '--steps', '2', '--test', '0', ...pairs, ...cpu];
  const { code, stdout, stderr } = await unmask([...tune, '--json']);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^The run needs about \d+(\.\d)? [GM]iB of memory; this machine has \d+\.\d GiB[. ]/);
  const { dir, checkpoint } = JSON.parse(stdout);
  assert.ok((await readdir(checkpoint)).includes('adapter_model.safetensors'));
  const { models } = await document(['models']);
  const listed = (wanted: string) => models.find(({ name }: { name: string }) => name === wanted);
  assert.equal(listed(dir).parameters, listed('tiny').parameters);
  assert.equal(listed(dir).bytes, (await stat(path.join(checkpoint, 'adapter_model.safetensors'))).size);

  const tuned = await logitsOf(dir);
  assert.notDeepEqual(tuned, await logitsOf('tiny'));
  const merged = await document(['merge', dir, '--model', 'whole', ...cpu]);
  assert.deepEqual(merged, { model: path.join(home, 'models', 'whole'), adapter: checkpoint, base: 'tiny' });
  assert.deepEqual((await readdir(merged.model)).sort(), [
    'README.md',
    'config.json',
    'digests.json',
    'generation_config.json',
    'model.safetensors',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);
  assertNear(await logitsOf('whole'), tuned, 'logits of the merged model', 1e-5);

  assert.match(await refusal(['merge', dir, '--model', 'whole', ...cpu], 2), /whole is not empty; choose another/);
  assert.match(await refusal(['merge', 'tiny', '--model', 'x', ...cpu], 1), /tiny has full weights; /);
});
