import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Denoised } from '../../src/diffusion/canvas.ts';
import { readContext } from '../../src/diffusion/gap-context.ts';
import { completesCode, type InfillRequest, infill } from '../../src/diffusion/infill.ts';
import { type ModelConfig, maskToken } from '../../src/model/config.ts';
import { textEdges } from '../../src/model/fill-in-the-middle.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import type { Tokenizer } from '../../src/model/tokenizer.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const end = 3;
const gapConfig: Partial<ModelConfig> = { attention: 'prefix-lm', eom_token_id: end, num_hidden_layers: 2 };
const engine = oneThread();
let model: LanguageModel;
before(async () => {
  model = await LanguageModel.load(engine, tinyCheckpoint(gapConfig));
});
after(() => model.dispose());

const request = (changes: Partial<InfillRequest> = {}): InfillRequest => ({
  prefix: '12+3',
  suffix: '=15',
  alternatives: 1,
  seed: 1,
  temperature: 1,
  threshold: 0.9,
  contextTokens: 32,
  singleLine: true,
  ...changes,
});

describe('infill', () => {
  it('reveals every position once, block by block from the left, and returns the text before the end token', async () => {
    const { alternatives, forwards, contextTokens } = await infill(model, request({ alternatives: 3 }));
    assert.equal(contextTokens, 7);
    assert.deepEqual(
      alternatives.map(({ tokens }) => tokens.length),
      [8, 16, 32],
    );
    for (const { tokens, revealedAt, confidence, length, text, ended } of alternatives) {
      assert.ok(tokens.every((token) => token !== model.config.mask_token_id));
      assert.ok(revealedAt.every((step) => step >= 0 && step < forwards));
      assert.ok(confidence.every((sure) => sure > 0 && sure <= 1));
      const found = tokens.indexOf(end);
      assert.deepEqual([length, ended], found === -1 ? [tokens.length, false] : [found, true]);
      if (ended)
        assert.ok(
          tokens.subarray(found).every((token) => token === end),
          'nothing comes behind the end',
        );
      assert.equal(text, model.tokenizer.decode(tokens.subarray(0, length)).split('\n', 1)[0]);
      // Blocks of 8 from the left: no position is revealed before the block to its left is started.
      for (let position = 8; position < length; position++)
        assert.ok(
          revealedAt[position]! >
            Math.min(...revealedAt.subarray(position - (position % 8) - 8, position - (position % 8))),
        );
    }
  });

  it('decodes greedy alternatives on three canvas widths, independently of each other, and samples further ones on the full width', async () => {
    const five = await infill(model, request({ alternatives: 5 }));
    assert.deepEqual(
      five.alternatives.map(({ tokens }) => tokens.length),
      [8, 16, 32, 32, 32],
    );
    for (const { tokens } of five.alternatives.slice(0, 3)) {
      const alone = await infill(model, request({ width: tokens.length }));
      assert.deepEqual(alone.alternatives[0]!.tokens, tokens);
    }
    const [, , whole, ...drawn] = five.alternatives.map(({ tokens }) => [...tokens]);
    for (const tokens of drawn) assert.notDeepEqual(tokens, whole);
    const given = await infill(model, request({ alternatives: 3, width: 12 }));
    assert.deepEqual(
      given.alternatives.map(({ tokens }) => tokens.length),
      [12, 12, 12],
    );
  });

  it('generates alternatives one at a time until one is good enough, with the same results', async () => {
    const together = await infill(model, request({ alternatives: 4 }));
    for (const enough of [1, 2, 3, 4]) {
      const requested: string[] = [];
      const isEnough = async ({ text }: { readonly text: string }) => requested.push(text) === enough;
      const found = await infill(model, request({ alternatives: 4 }), { isEnough });
      const texts = together.alternatives.map(({ text }) => text);
      assert.deepEqual(requested, texts.slice(0, Math.min(enough, 3)), 'not called after the last one');
      assert.deepEqual(
        found.alternatives.map(({ tokens }) => [...tokens]),
        together.alternatives.slice(0, enough).map(({ tokens }) => [...tokens]),
      );
    }
    const alone = await infill(model, request(), { isEnough: () => assert.fail('there is no other') });
    assert.deepEqual(alone.alternatives[0]!.tokens, together.alternatives[0]!.tokens);
  });

  it('depends on its seed, and its greedy alternatives only on the text', async () => {
    const texts = async (changes: Partial<InfillRequest>) =>
      (await infill(model, request(changes))).alternatives.map(({ tokens }) => [...tokens]);
    const four = await texts({ alternatives: 4 });
    assert.deepEqual(await texts({ alternatives: 4 }), four);
    const other = await texts({ alternatives: 4, seed: 2 });
    assert.deepEqual(other.slice(0, 3), four.slice(0, 3));
    assert.notDeepEqual(other[3], four[3]);
    assert.deepEqual(await texts({ alternatives: 1, seed: 7 }), [four[0]]);
    assert.notDeepEqual((await texts({ suffix: '' }))[0], four[0], 'the suffix is read');
    assert.notDeepEqual((await texts({ prefix: '' }))[0], four[0], 'the prefix is read');
  });

  it('takes one step per token with a threshold of 1, and at most one step per block with a tiny one', async () => {
    const slow = await infill(model, request({ threshold: 1, singleLine: false }));
    const revealed = new Set(slow.alternatives[0]!.revealedAt);
    assert.equal(revealed.size, slow.forwards);
    const fast = await infill(model, request({ threshold: 1e-9, singleLine: false }));
    assert.ok(fast.forwards <= 64 / 8);
  });

  it('reveals all end tokens in one step if they are the most confident predictions', async () => {
    const { config, tokenizer, generation, weights } = tinyCheckpoint(gapConfig);
    const embeddings = weights.get('model.embed_tokens.weight')!;
    const data = embeddings.data.slice();
    // The state after a mask is most similar to the mask's own embedding, so the end token is the likeliest everywhere.
    const { hidden_size: size } = config;
    const mask = maskToken(config);
    for (let i = 0; i < size; i++) data[end * size + i] = 10 * data[mask * size + i]!;
    const ending = await LanguageModel.load(engine, {
      config,
      tokenizer,
      generation,
      weights: new Map(weights).set('model.embed_tokens.weight', { ...embeddings, data }),
    });
    const { alternatives, forwards } = await infill(ending, request({ threshold: 1, prefix: '', suffix: '' }));
    assert.deepEqual([alternatives[0]!.text, alternatives[0]!.ended], ['', true]);
    assert.equal(forwards, 1);
    await ending.dispose();
  });

  it('reads the tokens nearest to the gap', async () => {
    const near = { contextTokens: 8, prefix: `${'9'.repeat(50)}123456`, suffix: `21${'8'.repeat(50)}` };
    const found = await infill(model, request(near));
    assert.equal(found.contextTokens, 8);
    const cut = await infill(model, request({ contextTokens: 8, prefix: '123456', suffix: '21' }));
    assert.deepEqual(found.alternatives[0]!.tokens, cut.alternatives[0]!.tokens);
    // A short suffix leaves its share to the prefix, and vice versa; the model's maximum length limits both.
    assert.equal((await infill(model, request({ ...near, suffix: '' }))).contextTokens, 8);
    assert.equal((await infill(model, request({ ...near, prefix: '' }))).contextTokens, 8);
    assert.equal((await infill(model, request({ ...near, contextTokens: 1000 }))).contextTokens, 32);
  });

  it('reads text with Windows line ends like any other', () => {
    const texts: string[] = [];
    const tokenizer = {
      encode: (text: string) => {
        texts.push(text);
        return [];
      },
    } as unknown as Tokenizer;
    readContext(tokenizer, { prefix: 'a\r\nb\r\n', suffix: '\r\na', contextTokens: 2 }, 64);
    assert.deepEqual(texts.splice(0), ['a\nb\n', '\na']);
    // Eight characters are read per token, and the cuts split line breaks.
    const long = { prefix: '\r\n3456789', suffix: '1234567\r\n' };
    readContext(tokenizer, { ...long, contextTokens: 1 }, 64);
    assert.deepEqual(texts, ['\n3456789', '1234567']);
  });

  it('of the family Dream is a whole text between its special tokens, as far as it is read', () => {
    const tokenizer = {
      encode: (text: string) => [...text].map((character) => character.charCodeAt(0)),
      namedToken: (field: string) => ({ bos_token: 1001, eos_token: 1002 })[field],
    } as unknown as Tokenizer;
    const dream = { published_config: { model_type: 'Dream' } } as unknown as ModelConfig;
    const edges = textEdges(dream, tokenizer);
    const at = (changes: Partial<Parameters<typeof readContext>[1]>) =>
      readContext(tokenizer, { prefix: 'ab', suffix: 'c', contextTokens: 64, edges, ...changes }, 64);
    // The authors' example: [bos] + prefix + masks + suffix + [eos].
    assert.deepEqual(at({}), { prefix: [1001, 97, 98], suffix: [99, 1002] });
    assert.deepEqual(at({ edges: null }), { prefix: [97, 98], suffix: [99] });
    assert.deepEqual(at({ prefix: '', suffix: '' }), { prefix: [1001], suffix: [1002] });
    // A part of a text does not begin or end there.
    const cut = at({ prefix: 'x'.repeat(50), suffix: 'y'.repeat(50), contextTokens: 10 });
    assert.deepEqual([cut.prefix, cut.suffix], [Array(6).fill(120), Array(2).fill(121)]);
    assert.deepEqual(at({ contextTokens: 4 }), { prefix: [1001, 97, 98], suffix: [] });
    assert.equal(textEdges({ published_config: { model_type: 'llada' } } as unknown as ModelConfig, tokenizer), null);
    const unnamed = { namedToken: () => undefined } as unknown as Tokenizer;
    assert.equal(textEdges(dream, unnamed), null);
  });

  it('can be watched step by step, and stops between two steps', async () => {
    const frames: number[] = [];
    const masked = ({ tokens }: Denoised) => tokens.filter((token) => token === model.config.mask_token_id).length;
    let steps = 0;
    const { forwards } = await infill(model, request(), {
      watch: (_, canvas) => frames.push(masked(canvas)),
      checkCancelled: () => void steps++,
    });
    assert.equal(frames.length, forwards);
    assert.equal(steps, forwards + 1, 'before the context is read, and before every step');
    assert.ok(frames.every((left, index) => index === 0 || left < frames[index - 1]!));
    assert.equal(frames.at(-1), 0);
    let allowed = 3;
    const stopping = infill(model, request({ threshold: 1 }), {
      checkCancelled: () => assert.ok(allowed-- > 0, 'enough'),
    });
    await assert.rejects(stopping, /enough/);
  });

  it('returns the runners-up of each token on request', async () => {
    const requested = request({ alternatives: 2, threshold: 1e-9 });
    const plain = await infill(model, requested);
    assert.ok(plain.alternatives.every(({ runnersUp }) => runnersUp === undefined));
    const { alternatives } = await infill(model, requested, { runnersUp: 4 });
    for (const [index, { tokens, confidence, runnersUp, length, ended }] of alternatives.entries()) {
      assert.deepEqual(tokens, plain.alternatives[index]!.tokens, 'the option does not change the tokens');
      assert.equal(runnersUp?.length, tokens.length);
      const guessed = length + Number(ended);
      for (const [position, others] of runnersUp!.entries()) {
        if (position >= guessed) {
          assert.equal(others, null, 'there are no predictions after the end');
          continue;
        }
        assert.equal(others?.length, 4);
        const ids = others!.map(({ token }) => token);
        assert.equal(new Set([...ids, tokens[position], model.config.mask_token_id]).size, 6, 'all different');
        const sure = others!.map(({ probability }) => probability);
        assert.deepEqual(
          sure,
          [...sure].sort((a, b) => b - a),
        );
        // The first alternative takes the likeliest token; the others are sampled.
        if (index === 0) assert.ok(sure[0]! <= confidence[position]! + 1e-6);
        assert.ok(sure.reduce((sum, one) => sum + one, confidence[position]!) <= 1 + 1e-6);
      }
    }
  });

  it('stops when the rest would be cut off, and leaves it masked', async () => {
    const whole = await infill(model, request({ alternatives: 3, singleLine: false }));
    const isOver = (text: string) => text.length >= 4;
    const steps: number[][] = [[], [], []];
    const finished: number[] = [];
    const stopping = request({ alternatives: 3, singleLine: false, stops: { isOver, leastConfidence: 0 } });
    const stopped = await infill(model, stopping, {
      watch: (alternative, { forwards, done }) => {
        steps[alternative]!.push(forwards);
        if (done) finished.push(alternative);
      },
    });
    assert.ok(stopped.forwards < whole.forwards);
    assert.deepEqual(finished.toSorted(), [0, 1, 2], 'each alternative finishes once');
    for (const seen of steps)
      assert.deepEqual(
        seen,
        seen.map((_, index) => index + 1),
      );
    for (const [index, { tokens, text, length, ended, meanConfidence, confidence }] of stopped.alternatives.entries()) {
      const masked = tokens.indexOf(maskToken(model.config));
      assert.ok(masked >= 4 && !ended && length === masked);
      assert.ok(isOver(text) && whole.alternatives[index]!.text.startsWith(text));
      const revealed = confidence.filter((_, position) => tokens[position] !== model.config.mask_token_id);
      assert.ok(Math.abs(meanConfidence - revealed.reduce((a, b) => a + b) / revealed.length) < 1e-6);
    }
  });

  it('abandons a low-confidence alternative after eight tokens', async () => {
    const stops = { isOver: () => false, leastConfidence: 2 };
    const { alternatives, forwards } = await infill(model, request({ singleLine: false, threshold: 1, stops }));
    assert.equal(forwards, 8, 'no confidence is above 2');
    assert.equal(alternatives[0]!.revealedAt.filter((step) => step >= 0).length, 8);
    const sure = await infill(model, request({ singleLine: false, stops: { ...stops, leastConfidence: 0 } }));
    assert.deepEqual(sure.alternatives, (await infill(model, request({ singleLine: false }))).alternatives);
  });

  it('works with a published model that attends to the suffix, on a canvas of fixed width', async () => {
    const changes = { published_config: {}, num_hidden_layers: 2, logit_shift: true, max_position_embeddings: 96 };
    const published = await LanguageModel.load(engine, tinyCheckpoint(changes));
    const { config, tokenizer } = published;
    assert.ok(completesCode(config));
    const wide = request({ threshold: 1, singleLine: false, width: 64 });
    const { alternatives, forwards, contextTokens } = await infill(published, wide);
    const [found] = alternatives;
    assert.equal(contextTokens, 7);
    assert.equal(found!.tokens.length, 64);
    assert.equal(new Set(found!.revealedAt).size, forwards);
    assert.ok(found!.tokens.every((token) => token !== config.mask_token_id));
    const afterEnd = found!.tokens.subarray(found!.length);
    assert.ok(afterEnd.every((token) => token === config.eos_token_id));

    // The first step reveals the model's most confident prediction, with the whole prefix and suffix.
    const [before, behind] = ['12+3', '=15'].map((text) => tokenizer.encode(text)) as [number[], number[]];
    const row = Int32Array.from([...before, ...Array(64).fill(config.mask_token_id), ...behind]);
    const positions = Array.from({ length: 8 }, (_, position) => before.length + position);
    const [logits] = await published.logits([{ tokens: row, positions }]);
    const first = found!.revealedAt.indexOf(0);
    const size = config.vocab_size;
    const shares = positions.map((_, position) => {
      const own = [...logits!.subarray(position * size, (position + 1) * size)].map(Math.exp);
      own[maskToken(config)] = 0;
      const all = own.reduce((sum, value) => sum + value, 0);
      return { token: own.indexOf(Math.max(...own)), share: Math.max(...own) / all };
    });
    const surest = Math.max(...shares.map(({ share }) => share));
    assert.ok(Math.abs(shares[first]!.share - surest) < 1e-6);
    assert.equal(found!.tokens[first], shares[first]!.token);

    const other = await infill(published, { ...wide, suffix: '=99' });
    assert.notDeepEqual(other.alternatives[0]!.tokens, found!.tokens, 'the suffix is read');
    await published.dispose();
  });

  it('rejects a model that was not trained for it', async () => {
    const other = await LanguageModel.load(engine, tinyCheckpoint());
    assert.equal(completesCode(other.config), false);
    assert.equal(completesCode(model.config), true);
    const blocks = { ...other.config, published_config: {}, attention: 'block-causal', block_size: 4 } as const;
    assert.equal(completesCode(blocks), false, 'blocks do not attend to later blocks');
    await assert.rejects(infill(other, request()), { name: 'UserError', message: /was not trained to complete code/ });
    await other.dispose();
  });
});
