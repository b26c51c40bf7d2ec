import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AutoregressiveWriter } from '../../src/infilling/autoregressive-model.ts';
import { DraftingWriter } from '../../src/infilling/draft-and-verify.ts';
import { writeMiddles } from '../../src/infilling/left-to-right.ts';
import { convertedConfig } from '../../src/model/conversion.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const base = tinyCheckpoint({
  attention: 'causal',
  logit_shift: true,
  num_hidden_layers: 2,
  max_position_embeddings: 128,
});
const conversion = { attention: 'causal-context', mask_token_id: 2, eom_token_id: 3, prefix_token_id: 1 } as const;

describe('drafts that are verified', () => {
  it('give the text that the same model writes token by token, whatever the drafts are, in fewer or more passes', async () => {
    const config = convertedConfig(base.config, conversion, 'adapter');
    const model = await LanguageModel.load(oneThread(), { ...base, config });
    const plain = new AutoregressiveWriter(model, 64);
    const random = new Random(7, 'drafts');
    const text = (length: number) => Array.from({ length }, () => '0123456789+-='[random.integer(13)]).join('');
    for (const draftTokens of [1, 4, 12]) {
      const drafting = new DraftingWriter(model, 64, draftTokens);
      for (let item = 0; item < 4; item++) {
        const context = { prefix: text(5 + 9 * item), suffix: item === 0 ? '' : text(7) };
        const write = async (writer: AutoregressiveWriter | DraftingWriter) => {
          const gap = await writer.read(context, 12);
          const settings = { healed: '', width: 12, singleLine: false, alternatives: 2, temperature: 0.8, seed: item };
          const middles = await writeMiddles(gap.next, writer, settings);
          gap.dispose();
          return middles;
        };
        assert.deepEqual(await write(drafting), await write(plain), `drafts of ${draftTokens}, item ${item}`);
      }
      assert.equal(drafting.passes.drafts, drafting.passes.verifications);
      assert.ok(drafting.passes.drafts > 0);
    }
    assert.equal(model.context.open, 0, 'all contexts were released');
    await model.dispose();
  });
});
