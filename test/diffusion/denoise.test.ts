import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Denoiser } from '../../src/diffusion/decoding-session.ts';
import { type DecodingOptions, denoise } from '../../src/diffusion/denoise.ts';
import { revealOrders } from '../../src/diffusion/reveal-rules.ts';
import { drawToken, entropyOf, runnersUp } from '../../src/diffusion/token-distribution.ts';
import type { Query } from '../../src/model/query.ts';
import { Random } from '../../src/platform/random.ts';
import { assertFrequencies } from './chi-square.ts';

const mask = 2;

/** A model whose rows are exactly independent: its logits are a function of one row and one position of it. */
function modelOf(
  vocab_size: number,
  logits: (tokens: readonly number[], position: number) => readonly number[],
): Denoiser & { readonly queries: Query[][] } {
  const queries: Query[][] = [];
  const known = new Map<string, readonly number[]>();
  const remembered = (tokens: Int32Array, position: number) => {
    const key = `${tokens} ${position}`;
    const found = known.get(key) ?? logits([...tokens], position);
    known.set(key, found);
    return found;
  };
  return {
    queries,
    config: { mask_token_id: mask, eos_token_id: 1, vocab_size },
    logits: async (batch) => {
      queries.push(batch.map(({ tokens, positions }) => ({ tokens: tokens.slice(), positions: [...positions] })));
      return batch.map(({ tokens, positions }) =>
        Float32Array.from(positions.flatMap((position) => [...remembered(tokens, position)])),
      );
    },
  };
}

describe('the suffix of a completion', () => {
  it('is visible in every step, never changes, and is not part of the completion', async () => {
    // Each position contains the token after it, or its own number while that token is masked.
    const model = modelOf(9, (tokens, position) => {
      const next = tokens[position + 1] ?? mask;
      return Array.from({ length: 9 }, (_, token) => (token === (next === mask ? 3 : next) ? 5 : 0));
    });
    const [first, second] = await denoise(model, {
      prompts: [[4], [4, 5]],
      suffixes: [[7, mask], []],
      seeds: [1, 2],
      options: options({ length: 3, block: 3, steps: 3, order: 'confidence' }),
    });
    assert.equal(first!.tokens.length, 3);
    assert.ok(!first!.tokens.includes(mask));
    assert.equal(second!.tokens.length, 3);
    const queries = model.queries.filter(([own]) => own!.tokens[0] === 4 && own!.tokens.length === 6);
    assert.equal(queries.length, 3, 'one forward pass for each of three steps');
    for (const [query] of queries) {
      assert.deepEqual([...query!.tokens].slice(4), [7, mask]);
      assert.ok(query!.positions.every((position) => position >= 1 && position < 4));
    }
  });
});

describe('a model with block attention', () => {
  /** The positions that are requested in each step, for a completion of 10 tokens after `prompt` prompt tokens. */
  async function asked(prompt: number, own: number, block: number): Promise<string[]> {
    const model = modelOf(4, () => [0, 0, 0, 5]);
    const byBlocks = { ...model, config: { ...model.config, attention: 'block-causal', block_size: own } };
    const [found] = await denoise(byBlocks, {
      prompts: [Array(prompt).fill(3)],
      seeds: [1],
      options: options({ length: 10, block, steps: 10, order: 'threshold', threshold: 0.5 }),
    });
    assert.ok(!found!.tokens.includes(mask));
    return model.queries.map(([query]) => query!.positions.map((position) => position - prompt).join(''));
  }

  it('is decoded by its own blocks, the first of which may begin in the prompt', async () => {
    assert.deepEqual(await asked(5, 4, 4), ['012', '3456', '789']);
    assert.deepEqual(await asked(8, 4, 4), ['0123', '4567', '89']);
    assert.deepEqual(await asked(5, 4, 2), ['0', '12', '34', '56', '78', '9'], 'parts of them');
    assert.deepEqual(await asked(5, 4, 8), ['012', '3456', '789'], 'never across them');
    assert.deepEqual(await asked(3, 32, 32), ['0123456789'], 'within one');
  });

  it('needs at least one step per block, including a block that begins in the prompt', async () => {
    const model = modelOf(4, () => [0, 0, 0, 5]);
    const byBlocks = { ...model, config: { ...model.config, attention: 'block-causal', block_size: 4 } };
    const [found] = await denoise(byBlocks, {
      prompts: [[3, 3]],
      seeds: [1],
      options: options({ length: 8, block: 4, steps: 2 }),
    });
    assert.deepEqual([...found!.revealedAt], [0, 0, 1, 1, 1, 1, 2, 2]);
  });
});

const options = (changes: Partial<DecodingOptions>): DecodingOptions => ({
  order: 'confidence',
  length: 6,
  block: 6,
  steps: 6,
  threshold: 0.9,
  temperature: 0,
  ...changes,
});

/** Token 3 at every position, with a confidence that grows with `sureness` of the position in the completion. */
const sure = (sureness: readonly number[], prompt = 1) =>
  modelOf(4, (_, position) => [0, 0, 0, sureness[position - prompt] as number]);

const counts = (revealedAt: ArrayLike<number>): number[] => {
  const found: number[] = [];
  for (const step of Array.from(revealedAt)) found[step] = (found[step] ?? 0) + 1;
  return found;
};

describe('runners-up', () => {
  const logits = Float32Array.from([1, 4, 9, 3, 2, 3.5].map(Math.log));
  it('are the likeliest other tokens, without the mask', () => {
    // Without the mask (token 2), the weights are 1, 4, 3, 2 and 3.5, 13.5 in total.
    const found = runnersUp(logits, 1, 2, 3);
    assert.deepEqual(
      found.map(({ token }) => token),
      [5, 3, 4],
    );
    for (const [index, weight] of [3.5, 3, 2].entries())
      assert.ok(Math.abs(found[index]!.probability - weight / 13.5) < 1e-6);
  });

  it('are limited by the size of the vocabulary', () => {
    assert.equal(runnersUp(logits, 0, 2, 10).length, 4);
    assert.deepEqual(runnersUp(logits, 0, 2, 0), []);
  });
});

describe('decoding with a fixed number of steps', () => {
  const cases: readonly [name: string, changes: Partial<DecodingOptions>, perStep: number[]][] = [
    ['one token a step', {}, [1, 1, 1, 1, 1, 1]],
    ['two tokens a step', { steps: 3 }, [2, 2, 2]],
    ['the rest of n / S goes to the first steps', { length: 5, block: 5, steps: 3 }, [2, 2, 1]],
    ['all in one step', { steps: 1 }, [6]],
    ['blocks share the steps', { block: 3, steps: 4 }, [2, 1, 2, 1]],
    ['a step too many goes to the first block', { length: 8, block: 4, steps: 5 }, [2, 1, 1, 2, 2]],
    ['a short last block', { length: 5, block: 3, steps: 4 }, [2, 1, 1, 1]],
    ['more steps than tokens', { steps: 50 }, [1, 1, 1, 1, 1, 1]],
    ['a block longer than the completion', { length: 3, block: 32, steps: 3 }, [1, 1, 1]],
  ];
  for (const [name, changes, perStep] of cases)
    it(`reveals the scheduled number of tokens: ${name}`, async () => {
      for (const order of ['confidence', 'random'] as const) {
        const model = sure([1, 5, 2, 4, 3, 9, 7, 6]);
        const [result] = await denoise(model, { prompts: [[9]], seeds: [1], options: options({ order, ...changes }) });
        assert.deepEqual(counts(result!.revealedAt), perStep, order);
        assert.equal(result!.forwards, perStep.length);
        assert.equal(model.queries.length, perStep.length);
        assert.ok(result!.tokens.every((token) => token === 3));
      }
    });

  it('reveals the most confident tokens first, ties from the left, and blocks from the left', async () => {
    const model = sure([1, 5, 2, 9, 8, 7]);
    const [result] = await denoise(model, { prompts: [[9]], seeds: [1], options: options({ block: 3 }) });
    assert.deepEqual([...result!.revealedAt], [2, 0, 1, 3, 4, 5]);
    const equals = await denoise(sure([2, 3, 2, 3, 2, 3]), {
      prompts: [[9]],
      seeds: [1],
      options: options({ steps: 3 }),
    });
    assert.deepEqual([...equals[0]!.revealedAt], [1, 0, 2, 0, 2, 1]);
  });

  it('requests only the masked positions of the current block, and shows the model the revealed tokens', async () => {
    const model = sure([1, 5, 2, 9, 8, 7], 2);
    await denoise(model, { prompts: [[9, 8]], seeds: [1], options: options({ block: 3, steps: 4 }) });
    assert.deepEqual(
      model.queries.map(([query]) => ({ tokens: [...query!.tokens], positions: query!.positions })),
      [
        { tokens: [9, 8, 2, 2, 2, 2, 2, 2], positions: [2, 3, 4] },
        { tokens: [9, 8, 2, 3, 3, 2, 2, 2], positions: [2] },
        { tokens: [9, 8, 3, 3, 3, 2, 2, 2], positions: [5, 6, 7] },
        { tokens: [9, 8, 3, 3, 3, 3, 3, 2], positions: [7] },
      ],
    );
  });

  it('never changes a revealed token, even if the model changes its prediction', async () => {
    // The predicted token grows with the number of revealed tokens.
    const model = modelOf(12, (tokens) => {
      const revealed = tokens.filter((token) => token !== mask).length;
      return Array.from({ length: 12 }, (_, token) => (token === 3 + revealed ? 5 : 0));
    });
    const [result] = await denoise(model, { prompts: [[9]], seeds: [1], options: options({}) });
    assert.deepEqual([...result!.tokens], [4, 5, 6, 7, 8, 9]);
  });

  it("records the model's probability of a token when it was revealed, without temperature and mask", async () => {
    const model = modelOf(4, () => [0, 1, 9, 2]);
    const [result] = await denoise(model, { prompts: [[]], seeds: [3], options: options({ temperature: 5 }) });
    const sum = Math.exp(0) + Math.exp(1) + Math.exp(2);
    result!.tokens.forEach((token, position) => {
      const expected = Math.exp([0, 1, 9, 2][token]!) / sum;
      assert.ok(Math.abs(result!.confidence[position]! - expected) < 1e-6);
    });
    assert.ok(new Set(result!.tokens).size > 1, 'a temperature of 5 samples more than one token');
  });
});

describe('decoding by a threshold', () => {
  it('reveals every token above it, and at least one', async () => {
    const p = (share: number) => Math.log((3 * share) / (1 - share));
    // Token 3 of four, without the mask in the softmax: 2 others, so p is adjusted.
    const at = (share: number) => p(share) - Math.log(1.5);
    const shares = [0.95, 0.5, 0.92, 0.89, 0.91, 0.6];
    const model = sure(shares.map(at));
    const [result] = await denoise(model, {
      prompts: [[9]],
      seeds: [1],
      options: options({ order: 'threshold', steps: 1 }),
    });
    assert.deepEqual([...result!.revealedAt], [0, 3, 0, 1, 0, 2]);
    result!.confidence.forEach((found, position) => {
      assert.ok(Math.abs(found - shares[position]!) < 1e-6);
    });
    assert.equal(result!.forwards, 4);
  });

  it('finishes rows independently, and makes no requests for finished ones', async () => {
    // The prompt determines the model's confidence.
    const model = modelOf(4, (tokens) => [0, 0, 0, tokens[0] === 3 ? 9 : 0]);
    const results = await denoise(model, {
      prompts: [[3], [0]],
      seeds: [1, 2],
      options: options({ order: 'threshold', block: 3 }),
    });
    assert.deepEqual(
      results.map(({ forwards }) => forwards),
      [2, 6],
    );
    assert.deepEqual(
      model.queries.map((batch) => batch.length),
      [2, 2, 1, 1, 1, 1],
    );
  });
});

/** A model that is sure of token 3 with these confidences; one of the four tokens is the mask. */
const confident = (shares: readonly number[]) =>
  sure(shares.map((share) => Math.log((3 * share) / (1 - share)) - Math.log(1.5)));
const shares = [0.95, 0.5, 0.92, 0.89, 0.91, 0.6];

describe('decoding by a factor', () => {
  const revealedAt = async (factor: number) => {
    const [result] = await denoise(confident(shares), {
      ...{ prompts: [[9]], seeds: [1] },
      options: options({ order: 'factor', factor, steps: 1 }),
    });
    return [...result!.revealedAt];
  };

  it('demands more confidence the more tokens are revealed together', async () => {
    // (n + 1)(1 - c): .95 gives .1, .92 gives .24 and .91 gives .36; then .91 gives .18 and .89 gives .33.
    assert.deepEqual(await revealedAt(0.3), [0, 4, 0, 2, 1, 3]);
    assert.deepEqual(await revealedAt(0.36001), [0, 3, 0, 1, 0, 2]);
  });

  it('reveals one token per step with a tiny factor, and all with a large one', async () => {
    assert.deepEqual((await revealedAt(1e-9)).sort(), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await revealedAt(100), [0, 0, 0, 0, 0, 0]);
  });
});

describe('decoding by an entropy bound', () => {
  const revealedAt = async (entropyBound: number) => {
    const [result] = await denoise(confident(shares), {
      ...{ prompts: [[9]], seeds: [1] },
      options: options({ order: 'entropy', entropyBound, steps: 1 }),
    });
    return [...result!.revealedAt];
  };

  it('reveals tokens while the entropies of those before them do not exceed it', async () => {
    // The entropies are .233 (.95), .334 (.92), .365 (.91), .423 (.89), .950 (.6) and 1.040 (.5) nats.
    assert.deepEqual(await revealedAt(0.6), [0, 2, 0, 1, 0, 1]);
    assert.deepEqual(await revealedAt(0.25), [0, 4, 0, 2, 1, 3]);
  });

  it('reveals one token per step with a bound of 0, and all with a large one', async () => {
    assert.deepEqual((await revealedAt(0)).sort(), [0, 1, 2, 3, 4, 5]);
    assert.deepEqual(await revealedAt(100), [0, 0, 0, 0, 0, 0]);
  });
});

describe('decoding in random order', () => {
  it("reveals in every order equally often, independently of the model's confidence", async () => {
    const orders = new Map<string, number>();
    const seeds = Array.from({ length: 6000 }, (_, seed) => seed);
    const results = await denoise(sure([9, 0, 0]), {
      prompts: seeds.map(() => [9]),
      seeds,
      options: options({ order: 'random', length: 3, block: 3, steps: 3 }),
    });
    for (const { revealedAt } of results) orders.set(revealedAt.join(), (orders.get(revealedAt.join()) ?? 0) + 1);
    assert.equal(orders.size, 6);
    assertFrequencies([...orders.values()], [1, 1, 1, 1, 1, 1]);
  });
});

describe('a completion depends only on its prompt, its seed and the options', () => {
  // Logits that depend on the whole row.
  const mixing = () =>
    modelOf(7, (tokens, position) => {
      const random = new Random(
        tokens.reduce((sum, token, i) => (sum * 31 + token * (i + 1)) % 1e9, position),
        'logits',
      );
      return Array.from({ length: 7 }, () => 2 * random.normal());
    });
  const prompts = [[3], [4, 5], [6, 3, 4], [3]];
  const seeds = [11, 12, 13, 14];
  for (const order of revealOrders)
    it(`in ${order} order`, async () => {
      const given = options({ order, block: 4, temperature: 0.8, threshold: 0.5 });
      const together = await denoise(mixing(), { prompts, seeds, options: given });
      assert.deepEqual(await denoise(mixing(), { prompts, seeds, options: given }), together);
      for (const [index, prompt] of prompts.entries())
        assert.deepEqual(await denoise(mixing(), { prompts: [prompt], seeds: [seeds[index]!], options: given }), [
          together[index],
        ]);
      assert.notDeepEqual(together[0]!.tokens, together[3]!.tokens, 'another seed, another completion');
    });

  it('and at temperature 0 not on the seed', async () => {
    const greedy = (seed: number) =>
      denoise(mixing(), { prompts: [[3]], seeds: [seed], options: options({ block: 2 }) });
    assert.deepEqual(await greedy(1), await greedy(2));
  });
});

describe('sampling a token', () => {
  const logits = Float32Array.of(1, -0.5, 3, 0.5, 2);
  for (const temperature of [0.3, 1, 2.5])
    it(`follows softmax(logits / ${temperature}) without the mask`, () => {
      const random = new Random(1, 'draw', temperature);
      const counts = [0, 0, 0, 0, 0];
      for (let draw = 0; draw < 20_000; draw++) counts[drawToken(logits, temperature, mask, random)]!++;
      assert.equal(counts[mask], 0);
      const kept = [0, 1, 3, 4];
      assertFrequencies(
        kept.map((token) => counts[token]!),
        kept.map((token) => Math.exp(logits[token]! / temperature)),
      );
    });

  it('takes the likeliest token at temperature 0, and the first of equals', () => {
    const random = new Random(2, 'greedy');
    assert.equal(drawToken(logits, 0, mask, random), 4);
    assert.equal(drawToken(Float32Array.of(5, 7, 9, 7), 0, mask, random), 1);
    assert.equal(drawToken(Float32Array.of(9, 0, 0), 0, 0, random), 1, 'the mask is never sampled');
    const untouched = new Random(2, 'greedy');
    assert.equal(random.uniform(), untouched.uniform(), 'no random number is drawn');
  });

  it('keeps the tail: tokens that are a hundred thousand times less likely still occur', () => {
    const random = new Random(3, 'tail');
    const steep = Float32Array.of(0, -11.5, -100);
    let rare = 0;
    for (let draw = 0; draw < 400_000; draw++) rare += Number(drawToken(steep, 1, mask, random) === 1);
    // The expected number is 400,000 exp(-11.5) = 4.05.
    assert.ok(rare >= 1 && rare <= 14, `${rare} of 400,000`);
  });
});

describe('one token per step', () => {
  // A joint distribution of three tokens from {0, 1, 3}, with an exact model of every conditional.
  const random = new Random(6, 'joint');
  const values = [0, 1, 3];
  const texts = values.flatMap((a) => values.flatMap((b) => values.map((c) => [a, b, c])));
  const weights = texts.map(() => random.uniform() ** 3);
  const exact = modelOf(4, (tokens, position) => {
    const mass = (token: number) =>
      texts.reduce((sum, text, index) => {
        const fits = text.every((value, i) => (i === position ? value === token : [mask, value].includes(tokens[i]!)));
        return fits ? sum + weights[index]! : sum;
      }, 0);
    return [0, 1, 2, 3].map((token) => Math.log(Math.max(1e-30, mass(token))));
  });
  const frequencies = async (changes: Partial<DecodingOptions>) => {
    const seeds = Array.from({ length: 12_000 }, (_, seed) => seed);
    const given = options({ length: 3, block: 3, steps: 3, temperature: 1, ...changes });
    const results = await denoise(exact, { prompts: seeds.map(() => []), seeds, options: given });
    const counts = texts.map(() => 0);
    for (const { tokens } of results) counts[texts.findIndex((text) => String(text) === String([...tokens]))]!++;
    return counts;
  };

  it('in random order reproduces the joint distribution of a consistent model', async () => {
    assertFrequencies(await frequencies({ order: 'random' }), weights);
  });

  it('in blocks of one, from left to right, reproduces it too', async () => {
    assertFrequencies(await frequencies({ block: 1 }), weights);
  });

  it('while all tokens in one step are independent, so the test is sensitive', async () => {
    const counts = await frequencies({ order: 'random', steps: 1 });
    assert.throws(() => assertFrequencies(counts, weights));
  });
});

describe('watching and cancelling', () => {
  it('shows the canvases after every step, the last ones as returned', async () => {
    const seen: string[] = [];
    const results = await denoise(sure([1, 5, 2, 9, 8, 7]), {
      prompts: [[9], [9]],
      seeds: [1, 2],
      options: options({ block: 3, steps: 4 }),
      onStep: (canvases) => {
        assert.equal(canvases.length, 2);
        seen.push([...canvases[0]!.tokens].map((token) => (token === mask ? '_' : token)).join(''));
      },
    });
    assert.deepEqual(seen, ['_33___', '333___', '33333_', '333333']);
    assert.equal(String([...results[0]!.tokens]), '3,3,3,3,3,3');
  });

  it('stops between two steps on abort', async () => {
    const model = sure([1, 5, 2, 9, 8, 7]);
    const call = { prompts: [[9]], seeds: [1], options: options({}) };
    const checkCancelled = () => {
      if (model.queries.length === 2) throw new Error('enough');
    };
    await assert.rejects(denoise(model, { ...call, checkCancelled }), { message: 'enough' });
    assert.equal(model.queries.length, 2);
  });
});

it('a model with non-finite logits is reported, and no completion is returned', async () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const model = modelOf(4, () => [0, 1, 0, bad]);
    const call = { prompts: [[9]], seeds: [1], options: options({}) };
    await assert.rejects(denoise(model, call), { name: 'UserError', message: /logits are not finite/ });
  }
});

describe('invalid options are rejected with an error message', () => {
  const wrong: readonly [Partial<DecodingOptions>, RegExp][] = [
    [{ length: 0 }, /0 tokens in blocks of 6/],
    [{ block: 0 }, /blocks of 0/],
    [{ block: 2, steps: 2 }, /needs at least 3 steps, not 2/],
    [{ order: 'random', steps: 0 }, /needs at least 1 step, not 0/],
    [{ threshold: 0 }, /threshold above 0/],
    [{ threshold: 1.5 }, /threshold above 0/],
    [{ factor: 0 }, /factor above 0/],
    [{ entropyBound: -0.1 }, /entropy bound of at least 0/],
    [{ temperature: -1 }, /temperature of at least 0/],
    [{ temperature: Number.NaN }, /temperature of at least 0/],
  ];
  for (const [changes, message] of wrong)
    it(JSON.stringify(changes), async () => {
      const call = { prompts: [[9]], seeds: [1], options: options(changes) };
      await assert.rejects(denoise(sure([1]), call), { name: 'UsageError', message });
    });
});

it('the entropy of a prediction is that of its softmax without the mask', () => {
  assert.ok(Math.abs(entropyOf(Float32Array.of(1, 1, 50, 1, 1), 2) - Math.log(4)) < 1e-6);
  assert.ok(entropyOf(Float32Array.of(90, 0, 0, -40, 0), 2) < 1e-6);
  const [p, q] = [0.2, 0.8];
  const logits = Float32Array.of(Math.log(p), 7, Math.log(q));
  assert.ok(Math.abs(entropyOf(logits, 1) + p * Math.log(p) + q * Math.log(q)) < 1e-6);
});
