import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type InfillHooks, infill } from '../../src/diffusion/infill.ts';
import { constrainToPrefix, healedPrefix } from '../../src/diffusion/token-healing.ts';
import { trainBytePairs } from '../../src/model/byte-pair-training.ts';
import { LanguageModel } from '../../src/model/language-model.ts';
import { characterTokenizer, Tokenizer } from '../../src/model/tokenizer.ts';
import { oneThread, tinyCheckpoint } from '../model/tiny-model.ts';

const source = `export function definition(value: string): Definition {
  return new Definition(value.definition());
}
`.repeat(20);
const files = trainBytePairs([source], 360);
const tokenizer = new Tokenizer(files);

describe('the word before the cursor', () => {
  it('is moved into the canvas, with the space or the dot before it', () => {
    for (const [prefix, partialWord] of [
      ['  return new Def', ' Def'],
      ['  return new Definition(value.d', '.d'],
      ['function de', ' de'],
      ['  return ', ' '],
      ['  return new Definition(', '('],
      ['a\n  ret', 'ret'],
    ] as const)
      assert.equal(healedPrefix(tokenizer, prefix), partialWord, JSON.stringify(prefix));
  });

  it('is empty at the beginning of a line, among multi-byte characters, or if no token extends it', () => {
    for (const prefix of ['', '  ', 'a;\n', 'a;\n    ', 'const ä', 'x = 1'])
      assert.equal(healedPrefix(tokenizer, prefix), '', JSON.stringify(prefix));
    assert.equal(healedPrefix(new Tokenizer(characterTokenizer('define ')), 'def'), '');
  });

  it('is spelled by tokens that begin with it, or that it begins with', () => {
    const logits = new Float32Array(tokenizer.largestId + 1).map((_, id) => id);
    const left = constrainToPrefix(logits, ' Defi', tokenizer);
    const texts = [...left].flatMap((logit, id) => (logit === Number.NEGATIVE_INFINITY ? [] : [tokenizer.texts[id]!]));
    assert.ok(texts.includes(' Definition') && texts.includes(' '), texts.join());
    for (const text of texts) assert.ok(text.startsWith(' Defi') || ' Defi'.startsWith(text), JSON.stringify(text));
    left.forEach((logit, id) => {
      assert.ok(logit === Number.NEGATIVE_INFINITY || logit === id);
    });
  });
});

describe('a completion of a partial word', () => {
  it('spells the word in its first tokens, and returns the text after it', async () => {
    const checkpoint = tinyCheckpoint({
      attention: 'prefix-lm',
      eom_token_id: 3,
      vocab_size: tokenizer.largestId + 1,
      max_position_embeddings: 128,
    });
    const model = await LanguageModel.load(oneThread(), { ...checkpoint, tokenizer });
    const request = { suffix: '\n}', alternatives: 4, seed: 3, temperature: 1.5, threshold: 0.9, contextTokens: 64 };
    for (const partialWord of [' Def', '.d', '(']) {
      const prefix = `  return new Definition(value${partialWord}`;
      const steps: string[] = [];
      const watch: InfillHooks['watch'] = (_, __, repeated) => steps.push(repeated);
      const result = await infill(model, { ...request, prefix, singleLine: false }, { runnersUp: 3, watch });
      assert.equal(result.healed, partialWord);
      // If the partial word fills the canvas, there is no room for anything else, and the confidence is 0.
      const tight = await infill(model, { ...request, prefix, singleLine: false, width: 1 });
      for (const { tokens, confidence, meanConfidence } of tight.alternatives) {
        const reaches = tokenizer.texts[tokens[0] as number]!.length > partialWord.length;
        assert.equal(meanConfidence, reaches ? confidence[0] : 0);
      }
      assert.deepEqual(new Set(steps), new Set([partialWord]));
      for (const { tokens, text, length, confidence, meanConfidence, revealedAt } of result.alternatives) {
        const whole = tokenizer.decode(tokens.subarray(0, length));
        assert.equal(whole, partialWord + text);
        assert.ok(meanConfidence > 0 && meanConfidence <= 1);
        // The word is spelled from the left, before all other tokens.
        let spelt = 0;
        let count = 0;
        while (spelt < partialWord.length) spelt += tokenizer.texts[tokens[count++] as number]!.length;
        for (let position = 1; position < count; position++)
          assert.ok(revealedAt[position]! >= revealedAt[position - 1]!);
        for (let position = count; position < length; position++)
          assert.ok(revealedAt[position]! > revealedAt[count - 1]!);
        assert.ok(confidence.every((sure) => sure > 0 && sure <= 1 + 1e-6));
      }
    }
    await model.dispose();
  });
});
