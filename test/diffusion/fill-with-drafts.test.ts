import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { newCanvas } from '../../src/diffusion/canvas.ts';
import { type CanvasQuery, DecodingSession, type SessionContext } from '../../src/diffusion/decoding-session.ts';
import { copiedDraft, fillWithDrafts } from '../../src/diffusion/fill-with-drafts.ts';
import { type InfillRequest, infill, readAhead } from '../../src/diffusion/infill.ts';
import type { InfillRules } from '../../src/diffusion/infill-result.ts';
import { AutoregressiveWriter } from '../../src/infilling/autoregressive-model.ts';
import { leftToRightCompleter } from '../../src/infilling/left-to-right.ts';
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
const checkpoint = { ...base, config: convertedConfig(base.config, conversion, 'adapter') };
const generation = { ...base.generation, line_canvas: 12, canvas: 12, gap_decoding: 'drafts' } as const;

let model: LanguageModel;
let served: LanguageModel;
before(async () => {
  model = await LanguageModel.load(oneThread(), { ...checkpoint, generation });
  served = await LanguageModel.loadFrozen(oneThread(), { ...checkpoint, generation }, 'f32');
});
after(async () => {
  await Promise.all([model.dispose(), served.dispose()]);
});

const request: Omit<InfillRequest, 'prefix' | 'suffix' | 'singleLine'> = {
  contextTokens: 64,
  alternatives: 1,
  seed: 0,
  temperature: 0.8,
  threshold: 0.9,
};
const random = new Random(7, 'drafts');
const text = (length: number) => Array.from({ length }, () => '0123456789+-='[random.integer(13)]).join('');

describe('a gap that is filled with drafts', () => {
  it('has the text that the same model writes token by token', async () => {
    for (const singleLine of [true, false])
      for (let item = 0; item < 4; item++) {
        const gap = { prefix: text(5 + 9 * item), suffix: item === 0 ? '' : text(7) };
        const kind = singleLine ? 'line' : 'lines';
        const plain = leftToRightCompleter(new AutoregressiveWriter(model, 64), generation);
        const [expected] = await plain({ ...gap, kind, middle: '', language: 'typescript', errors: 0 });
        for (const decoder of [model, served]) {
          const { alternatives } = await infill(decoder, { ...request, ...gap, singleLine });
          assert.equal(alternatives[0]!.text, expected, `item ${item}`);
          const copied = await infill(decoder, { ...request, ...gap, singleLine, decoding: 'copied-drafts' });
          assert.equal(copied.alternatives[0]!.text, expected, `item ${item}, copied drafts`);
          // The token after a copied draft is free, so there is never a pass more than tokens.
          assert.ok(copied.forwards <= copied.alternatives[0]!.tokens.length);
        }
      }
    assert.equal(model.context.open + served.context.open, 0, 'all contexts were released');
  });

  it('reads only what was typed since the context was read ahead, with the same text', async () => {
    const load = () => LanguageModel.loadFrozen(oneThread(), { ...checkpoint, generation }, 'f32');
    const [fresh, ahead] = [await load(), await load()];
    const [before, suffix] = [text(50), text(9)];
    await readAhead(ahead, { ...request, prefix: before, suffix, singleLine: true });
    assert.equal(ahead.context.open, 0);
    const read = ahead.work.tokens;
    assert.ok(read > 50);
    const gap = { prefix: `${before}1+`, suffix, singleLine: true };
    const [expected, found] = [
      await infill(fresh, { ...request, ...gap }),
      await infill(ahead, { ...request, ...gap }),
    ];
    assert.equal(found.alternatives[0]!.text, expected.alternatives[0]!.text);
    assert.equal(ahead.work.tokens, fresh.work.tokens, 'nothing was read twice');
    for (const one of [fresh, ahead]) await one.dispose();
  });

  it('is not read ahead if the read is cancelled, or if the model keeps no context', async () => {
    const before = served.work.tokens;
    await assert.rejects(
      readAhead(
        served,
        { ...request, prefix: text(20), suffix: '', singleLine: true },
        { signal: AbortSignal.abort() },
      ),
      { name: 'AbortError' },
    );
    assert.equal(served.work.tokens, before);
    await readAhead(model, { ...request, prefix: text(20), suffix: '', singleLine: true });
    assert.equal(model.context.open, 0);
  });

  it('does not depend on the length of the drafts, also at a temperature', async () => {
    const rules: InfillRules = {
      ...{ order: 'confidence', steps: 12, threshold: 1, mask: 2 },
      gap: { end: 3, lineEnds: new Set(), tokenizer: served.tokenizer },
    };
    const fill = async (temperature: number, draftTokens: number) => {
      const session = new DecodingSession(served, { block: 1 });
      const context = await session.open({ prompt: [2, 7, 1, 9, 5], width: 12 });
      const canvas = newCanvas({
        ...{ context, width: 12, mask: 2, blocks: { length: 1, offset: 0 }, temperature },
        random: new Random(3, 'drawn'),
      });
      let steps = 0;
      await fillWithDrafts(canvas, rules, { session, filler: 0, draftTokens }, { onStep: () => void steps++ });
      session.dispose();
      assert.equal(canvas.forwards, steps, 'each pass is a step');
      return canvas;
    };
    for (const temperature of [0, 1]) {
      const single = await fill(temperature, 1);
      for (const draftTokens of [4, 12]) {
        const canvas = await fill(temperature, draftTokens);
        assert.deepEqual(canvas.tokens, single.tokens, `drafts of ${draftTokens} at ${temperature}`);
        assert.ok(canvas.forwards <= 12 + 5, 'bad drafts cost few passes');
        for (const [position, token] of canvas.tokens.entries()) {
          assert.ok((canvas.revealedAt[position] as number) < canvas.forwards);
          assert.notEqual(token, 2);
        }
        // The tokens of a rejected draft were shown before the final ones.
        for (const { position, revealedAt } of canvas.overwritten)
          assert.ok(revealedAt < (canvas.revealedAt[position] as number));
      }
    }
  });

  it('takes few passes where the text repeats what came before', async () => {
    const line = [4, 5, 6, 7, 8, 9, 10, 11, 12];
    let passes = 0;
    /** A model that always continues the line. */
    const session = {
      predicts: true,
      async logits([query]: readonly CanvasQuery[]) {
        passes++;
        const { positions, context } = query as CanvasQuery;
        return [
          positions.map((position) => {
            const row = new Float32Array(16);
            row[line[(context.prompt.length + position) % line.length] as number] = 9;
            return row;
          }),
        ];
      },
    } as unknown as DecodingSession;
    const context = { prompt: Int32Array.from(line), width: 18 } as SessionContext;
    const rules: InfillRules = {
      ...{ order: 'confidence', steps: 18, threshold: 1, mask: 2 },
      gap: { end: 3, lineEnds: new Set(), tokenizer: served.tokenizer },
    };
    const canvas = newCanvas({
      ...{ context, width: 18, mask: 2, blocks: { length: 1, offset: 0 }, temperature: 0 },
      random: new Random(0),
    });
    await fillWithDrafts(canvas, rules, { session, filler: 0, draftTokens: 6 });
    assert.deepEqual([...canvas.tokens], [...line, ...line]);
    // The first tokens are new, and from then on a pass confirms a copied draft of six.
    assert.ok(passes <= 6, `${passes} passes`);
  });

  it('copies what followed the longest earlier occurrence of its last tokens', () => {
    assert.deepEqual(copiedDraft([1, 2, 3, 4, 1, 2], 3), [3, 4, 1]);
    assert.deepEqual(copiedDraft([7, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2], 2), [3, 9], 'three tokens match, not two');
    assert.deepEqual(copiedDraft([1, 2, 3, 1, 2, 4, 1, 2], 1), [4], 'of several, the last');
    assert.deepEqual(copiedDraft([5, 5, 5], 4), [5], 'no further than the text');
    for (const none of [[], [1], [1, 2], [1, 2, 3, 2], [3, 1, 3]]) assert.deepEqual(copiedDraft(none, 4), []);
  });

  it('counts each pass as a step, and shows the drafts', async () => {
    const shown: string[] = [];
    const gap = { prefix: '12+', suffix: '=3' };
    const result = await infill(
      served,
      { ...request, ...gap, singleLine: false },
      { watch: (_, canvas) => void shown.push([...canvas.tokens].map((token) => (token === 2 ? '_' : '#')).join('')) },
    );
    const [{ forwards }] = result.alternatives as [(typeof result.alternatives)[number]];
    assert.equal(result.forwards, forwards);
    assert.equal(shown.length, forwards);
    assert.match(shown.at(-1) as string, /^#+$/, 'nothing is masked at the end');
    assert.ok(shown.some((canvas) => canvas.includes('#_')));
  });

  it('is denoised if the request says so, and stops when it is cancelled', async () => {
    const gap = { prefix: '12+', suffix: '=3', singleLine: false };
    const denoised = await infill(served, { ...request, ...gap, alternatives: 3, decoding: 'denoise' });
    assert.deepEqual(
      denoised.alternatives.map(({ tokens }) => tokens.length),
      [3, 6, 12],
    );
    const drafted = await infill(served, { ...request, ...gap, alternatives: 3 });
    assert.deepEqual(
      drafted.alternatives.map(({ tokens }) => tokens.length),
      [12, 12, 12],
    );
    const stop = new Error('cancelled');
    let passes = 0;
    const checkCancelled = () => {
      if (++passes === 2) throw stop;
    };
    await assert.rejects(infill(served, { ...request, ...gap }, { checkCancelled }), stop);
    assert.equal(served.context.open, 0);
  });
});
