import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { readCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { mergeAdapter } from '../../src/model/merge-adapter.ts';
import { assertNear } from './assert-near.ts';
import { adapted } from './tiny-adapter.ts';
import { oneThread } from './tiny-model.ts';

describe('an adapter on a published model', () => {
  for (const layout of ['dream', 'llada', 'llada-moe', 'llada2-moe'])
    it(`gives the logits of the merged ${layout}`, async () => {
      const engine = oneThread();
      const checkpoint = adapted(
        await readCheckpoint(await resolveModel(path.join(import.meta.dirname, 'references', layout))),
        {
          rank: 2,
        },
      );
      const { adapter, ...base } = checkpoint;
      const logits = [];
      for (const one of [checkpoint, await mergeAdapter(engine, checkpoint), base]) {
        const model = await LanguageModel.load(engine, one);
        logits.push(await model.rawLogits(Int32Array.of(5, 9, 4, 7)));
        await model.dispose();
      }
      assertNear(logits[0]!, logits[1]!, 'merged');
      assert.notDeepEqual(logits[0], logits[2]);
      assert.ok([...adapter.weights.keys()].length >= 14);
    });
});
