import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DecodingSession } from '../../src/diffusion/decoding-session.ts';
import { type DecodingOptions, denoise } from '../../src/diffusion/denoise.ts';
import { infill } from '../../src/diffusion/infill.ts';
import { type ModelConfig, maskToken } from '../../src/model/config.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { Random } from '../../src/platform/random.ts';
import { assertNear } from '../model/assert-near.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const engine = oneThread();
const load = (changes: Partial<ModelConfig>) =>
  LanguageModel.load(engine, tinyCheckpoint({ num_hidden_layers: 2, ...changes }));

const kinds: readonly Partial<ModelConfig>[] = [
  { attention: 'full' },
  { attention: 'full', logit_shift: true },
  { attention: 'prefix-lm' },
  { attention: 'causal', logit_shift: true },
  { attention: 'block-causal', block_size: 4 },
];
const nameOf = ({ attention, logit_shift }: Partial<ModelConfig>) =>
  `${attention}${logit_shift && attention === 'full' ? ', shifted' : ''}`;
const isCached = ({ attention }: Partial<ModelConfig>) => attention === 'prefix-lm' || attention === 'causal';

const options: DecodingOptions = {
  order: 'confidence',
  length: 6,
  block: 3,
  steps: 6,
  threshold: 0.9,
  temperature: 1,
};

describe('a decoding session', () => {
  for (const kind of kinds)
    it(`predicts the same as the model for whole rows, with ${nameOf(kind)} attention`, async () => {
      const model = await load(kind);
      const random = new Random(4, 'session');
      const draw = (length: number) => Array.from({ length }, () => random.integer(model.config.vocab_size));
      const [shared, other] = [draw(4), draw(3)];
      // A causal context is only a prompt.
      const suffix = (...tokens: number[]) => (kind.attention === 'causal' ? [] : tokens);
      const texts = [
        { prompt: shared, width: 20, suffix: suffix(5, 6) },
        { prompt: other, width: 3, suffix: [] },
        { prompt: shared, width: 20, suffix: suffix(5, 6) },
        { prompt: shared, width: 20, suffix: suffix(5, 7) },
        { prompt: draw(2), width: 5, suffix: [] },
      ];
      const canvases = texts.map(({ width }) => Int32Array.from(draw(width)));
      const session = new DecodingSession(model, { block: 8 });
      const before = model.work.forwards;
      const opened = [];
      for (const text of texts) opened.push(await session.open(text));
      const distinct = kind.attention === 'causal' ? 3 : 4;
      assert.equal(new Set(opened).size, distinct, 'equal texts share a handle');
      assert.equal(model.work.forwards - before, isCached(kind) ? distinct : 0, 'a context is read once');
      // The logit that a shifted head needs for the first position is in the context.
      const first = kind.attention === 'causal' ? 1 : 0;
      const everywhere = (width: number) => Array.from({ length: width - first }, (_, index) => first + index);
      for (const positionsOf of [everywhere, (width: number) => [width - 1, 1], () => [2]]) {
        const { forwards } = model.work;
        const found = await session.logits(
          opened.map((context, row) => ({ context, tokens: canvases[row]!, positions: positionsOf(context.width) })),
        );
        assert.equal(model.work.forwards - forwards, texts.length, 'no context is read again');
        const expected = await model.logits(
          texts.map(({ prompt, suffix, width }, row) => ({
            tokens: Int32Array.from([...prompt, ...canvases[row]!, ...suffix]),
            positions: positionsOf(width).map((position) => prompt.length + position),
            canvas: prompt.length,
            suffix: suffix.length,
          })),
        );
        found.forEach(
          (own, row) =>
            void assertNear(
              own.flatMap((logits) => [...logits]),
              [...expected[row]!],
              `row ${row}`,
            ),
        );
        // The session takes newly revealed tokens into account.
        for (const canvas of canvases) canvas[0] = 3 + (canvas[0]! % 4);
      }
      if (isCached(kind)) assert.equal(model.context.open, distinct);
      session.dispose();
      if (isCached(kind)) assert.equal(model.context.open, 0);
      await model.dispose();
    });

  it('can be disposed of twice, and rejects requests afterwards', async () => {
    const model = await load({ attention: 'prefix-lm' });
    const session = new DecodingSession(model);
    const text = await session.open({ prompt: [4, 5], suffix: [6], width: 3 });
    assert.equal(model.context.open, 1);
    session.dispose();
    session.dispose();
    assert.equal(model.context.open, 0);
    assert.deepEqual(text.keysAndValues!.cache, {}, 'keys and values are released');
    await assert.rejects(session.open({ prompt: [4], width: 3 }), /disposed/);
    await assert.rejects(session.logits([{ context: text, tokens: new Int32Array(3), positions: [0] }]), /disposed/);
    await model.dispose();
  });

  it('keeps nothing if it is disposed of while it encodes a context', async () => {
    const model = await load({ attention: 'prefix-lm' });
    const session = new DecodingSession(model);
    const reading = session.open({ prompt: [4, 5], width: 3 });
    session.dispose();
    await assert.rejects(reading, /disposed/);
    assert.equal(model.context.open, 0);
    await model.dispose();
  });

  it('rejects a text that is longer than the model supports', async () => {
    for (const attention of ['prefix-lm', 'full'] as const) {
      const model = await load({ attention, max_position_embeddings: 16 });
      const call = { prompts: [Array(11).fill(4)], seeds: [1], options };
      const rejection = { name: 'UserError', message: /17 tokens is longer than the model's 16; shorten the prompt/ };
      await assert.rejects(denoise(model, call), rejection);
      await denoise(model, { ...call, prompts: [Array(10).fill(4)] });
      if (attention === 'prefix-lm') assert.equal(model.context.open, 0);
      await model.dispose();
    }
  });
});

describe('decoding', () => {
  for (const [name, stop] of [
    ['a check that throws', () => ({ checkCancelled: failAfter(3) })],
    ['a signal', () => ({ signal: abortedAfter(3) })],
  ] as const)
    it(`that ${name} cancels releases its caches`, async () => {
      const model = await load({ attention: 'prefix-lm', eom_token_id: 3 });
      const call = { prompts: [[4, 5], [6]], suffixes: [[7], []], seeds: [1, 2], options };
      await assert.rejects(denoise(model, { ...call, ...stop() }), /enough/);
      assert.equal(model.context.open, 0);
      const request = { prefix: '12+3', suffix: '=15', alternatives: 3, seed: 1, temperature: 1, threshold: 1 };
      const gap = { ...request, contextTokens: 32, singleLine: false };
      await assert.rejects(infill(model, gap, stop()), /enough/);
      assert.equal(model.context.open, 0);
      const { alternatives } = await infill(model, gap);
      assert.equal(alternatives.length, 3);
      assert.equal(model.context.open, 0, 'also when decoding finishes');
      await model.dispose();
    });

  it('reports the number of finished completions, and stops before its first step if the signal is aborted', async () => {
    const model = await load({ attention: 'prefix-lm' });
    const reported: number[] = [];
    const call = { prompts: [[4], [5]], seeds: [1, 2], options };
    await denoise(model, { ...call, onProgress: (done, total) => reported.push(done, total) });
    assert.deepEqual(reported, [0, 2, 0, 2, 0, 2, 0, 2, 0, 2, 2, 2]);
    const { forwards } = model.work;
    await assert.rejects(denoise(model, { ...call, signal: AbortSignal.abort(new Error('enough')) }), /enough/);
    assert.ok(model.work.forwards - forwards <= 2, 'only contexts were read');
    await model.dispose();
  });

  for (const kind of kinds.filter(({ attention }) => attention !== 'causal'))
    it(`fills a canvas of one position, with and without surrounding text, with ${nameOf(kind)} attention`, async () => {
      const model = await load(kind);
      const one = { ...options, length: 1, block: 1, steps: 1, temperature: 0 };
      const prompts = [[4, 5], [4, 5], ...(kind.logit_shift ? [] : [[]])];
      const suffixes = [[6], [], []];
      const found = await denoise(model, { prompts, suffixes, seeds: [1, 2, 3], options: one });
      const mask = maskToken(model.config);
      for (const [index, prompt] of prompts.entries()) {
        const suffix = suffixes[index] as number[];
        const row = Int32Array.from([...prompt, mask, ...suffix]);
        const query = { tokens: row, positions: [prompt.length], canvas: prompt.length, suffix: suffix.length };
        const [logits] = await model.logits([query]);
        logits![mask] = Number.NEGATIVE_INFINITY;
        assert.deepEqual([...found[index]!.tokens], [logits!.indexOf(Math.max(...logits!))]);
        assert.deepEqual([...found[index]!.revealedAt], [0]);
      }
      await model.dispose();
    });

  for (const shift of [false, true])
    it(`predicts whole rows together with a newly encoded context${shift ? ', shifted' : ''}`, async () => {
      const model = await load({ attention: 'full', logit_shift: shift });
      for (const prompt of [[5, 7, 4, 9], [6], []]) {
        const tokens = Int32Array.of(4, 2, 2, 8, 2);
        const text = { prompt, suffix: [5, 6, 3], width: tokens.length };
        const answer = async (refresh: number) => {
          const logits: Float32Array[] = [];
          for (const token of [2, 11, 12]) {
            const session = new DecodingSession(model, { block: 2, refresh });
            const opened = await session.open(text);
            tokens[1] = token;
            const [rows] = await session.logits([{ context: opened, tokens, positions: [1, 2, 4] }]);
            logits.push(Float32Array.from(rows!.flatMap((row) => [...row])));
            session.dispose();
          }
          return logits;
        };
        const [plain, kept] = [await answer(1), await answer(2)];
        for (const [step, logits] of plain.entries()) assertNear(kept[step]!, logits, `step ${step}`);
      }
      assert.equal(model.context.open, 0, 'every context was disposed of');
      await model.dispose();
    });

  it('encodes a context that attends to the canvas once every few steps, separately for every canvas', async () => {
    const model = await load({ attention: 'full' });
    let reads = 0;
    const context = {
      read: (...given: Parameters<typeof model.context.read>) => {
        reads++;
        return model.context.read(...given);
      },
      logits: (...given: Parameters<typeof model.context.logits>) => model.context.logits(...given),
    };
    const session = new DecodingSession(
      { config: model.config, logits: (queries) => model.logits(queries), context },
      { refresh: 3 },
    );
    const text = await session.open({ prompt: [4, 5], width: 2 });
    const canvases = [Int32Array.of(2, 2), Int32Array.of(2, 2)];
    const ask = () => session.logits(canvases.map((tokens) => ({ context: text, tokens, positions: [0, 1] })));
    const first = await ask();
    canvases[0]![0] = 9;
    await ask();
    await ask();
    assert.equal(reads, 2, 'one context for each canvas');
    const [changed, same] = await ask();
    assert.equal(reads, 4, 'read again after three steps');
    for (const [position, row] of same!.entries())
      assertNear(row, first[1]![position]!, 'a canvas that did not change');
    assert.notDeepEqual(changed, first[0]);
    session.dispose();
    assert.equal(model.context.open, 0);
    await model.dispose();
  });
});

function failAfter(steps: number) {
  let left = steps;
  return () => {
    if (left-- === 0) throw new Error('enough');
  };
}

/** A signal that is aborted after this many checks. */
function abortedAfter(checks: number): AbortSignal {
  const controller = new AbortController();
  let left = checks;
  const { signal } = controller;
  const check = signal.throwIfAborted.bind(signal);
  signal.throwIfAborted = () => {
    if (left-- === 0) controller.abort(new Error('enough'));
    check();
  };
  return signal;
}
