import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { addGguf } from '../../src/catalogue/add-gguf.ts';
import { resolveModel } from '../../src/catalogue/resolve-model.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { ChatTemplate } from '../../src/model/chat-template.ts';
import { openCheckpoint } from '../../src/model/checkpoint.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { enterHome } from '../cli/unmask.ts';
import { smollm2 } from './smollm2.ts';

const references = path.join(import.meta.dirname, 'references', 'smollm2');
const read = async (name: string) => JSON.parse(await readFile(path.join(references, name), 'utf8'));

interface Place {
  /** Logarithm of the sum of the exponentials of all logits. */
  readonly sum: number;
  /** The likeliest tokens and their logits. */
  readonly ids: readonly number[];
  readonly logits: readonly number[];
}

interface Written {
  readonly prompt: string;
  readonly tokens: readonly number[];
  readonly written: readonly number[];
}

/**
 * llama.cpp rounds activations to 8 bits, which changes the difference of two logits by up to 0.22 in these texts. A
 * token that it prefers to our likeliest one may have a logit that is lower by at most this.
 */
const nearlyEqual = 0.25;

const found = await smollm2();
// Each test is skipped instead of the suite, because a file that reports no test has failed.
const skip = 'missing' in found ? found.missing : false;

describe('SmolLM2-135M-Instruct, from its GGUF file', () => {
  let model: LanguageModel;
  let leave: () => Promise<void>;
  before(async () => {
    if (skip) return;
    ({ leave } = await enterHome());
    const { signal } = new AbortController();
    const { file } = found as { file: string };
    const folder = await addGguf({ file, name: 'smollm2', signal, progress: () => undefined });
    model = await LanguageModel.load(new OnnxEngine('cpu'), await openCheckpoint(await resolveModel(folder)));
  });
  after(async () => {
    await model?.dispose();
    await leave?.();
  });

  it('tokenizes difficult texts as transformers does, and decodes them', { skip }, async () => {
    const rows = (await read('tokens.json')) as { text: string; tokens: number[]; decoded: string }[];
    assert.ok(rows.length >= 30);
    for (const { text, tokens, decoded } of rows) {
      assert.deepEqual(model.tokenizer.encode(text), tokens, JSON.stringify(text));
      assert.equal(model.tokenizer.decode(tokens), decoded);
    }
  });

  it('has its chat template', { skip }, () => {
    const { text } = ChatTemplate.of(model.tokenizer.files.config)!.render('Hello');
    assert.match(
      text,
      /^<\|im_start\|>system\nYou are a helpful AI assistant named SmolLM.*<\|im_start\|>assistant\n$/s,
    );
  });

  it('gives the logits that transformers computes in double precision, within 0.001', { skip }, async () => {
    const {
      text,
      tokens,
      places: positions,
    } = (await read('logits.json')) as {
      text: string;
      tokens: number[];
      places: Place[];
    };
    assert.deepEqual(model.tokenizer.encode(text), tokens);
    const size = model.config.vocab_size;
    const raw = await model.rawLogits(Int32Array.from(tokens));
    let most = 0;
    for (const [position, { sum, ids, logits }] of positions.entries()) {
      const row = raw.subarray(position * size, (position + 1) * size);
      const peak = logits[0] as number;
      const total = row.reduce((all, logit) => all + Math.exp(logit - peak), 0);
      most = Math.max(most, Math.abs(peak + Math.log(total) - sum));
      for (const [index, id] of ids.entries()) most = Math.max(most, Math.abs(row[id]! - logits[index]!));
    }
    assert.ok(positions.length > 100 && most < 1e-3, `off by ${most}`);
  });

  it('generates every token that llama.cpp generates greedily, or one that is nearly as likely', { skip }, async () => {
    const rows = (await read('greedy.json')) as Written[];
    const size = model.config.vocab_size;
    const queries = rows.map(({ tokens, written }) => ({
      tokens: Int32Array.from([...tokens, ...written]),
      positions: written.map((_, index) => tokens.length + index),
    }));
    const logits = await model.logits(queries);
    let [alike, all] = [0, 0];
    for (const [row, { prompt, tokens, written }] of rows.entries()) {
      assert.deepEqual(model.tokenizer.encode(prompt), tokens);
      for (const [index, token] of written.entries()) {
        const own = logits[row]!.subarray(index * size, (index + 1) * size);
        const best = own.reduce((most, logit) => Math.max(most, logit), Number.NEGATIVE_INFINITY);
        const shortfall = best - (own[token] as number);
        assert.ok(shortfall < nearlyEqual, `token ${index} after ${JSON.stringify(prompt)} is ${shortfall} below ours`);
        if (shortfall === 0) alike++;
        all++;
      }
    }
    assert.deepEqual([rows.length, all], [20, 628]);
    assert.ok(alike >= 598, `${alike} of ${all} tokens are our likeliest`);
  });
});
