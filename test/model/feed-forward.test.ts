import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { constant, input, reshape } from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import type { Mixture } from '../../src/model/config.ts';
import { largest, routingWeights } from '../../src/model/feed-forward.ts';
import { Random } from '../../src/platform/random.ts';
import { assertNear } from './assert-near.ts';
import { oneThread } from './tiny-model.ts';

const engine = oneThread();

/** The result of a composition for rows of numbers. */
async function computed(rows: readonly (readonly number[])[], make: (x: Tensor) => Tensor): Promise<number[]> {
  const shape = [rows.length, rows[0]!.length];
  const program = defineProgram('test', { outputs: { y: make(input('x', shape)) } });
  const executable = await engine.compile(program);
  const state = await engine.createState(new Map());
  const { y } = await executable.run({ x: { shape, data: Float32Array.from(rows.flat()) } }, state);
  await executable.dispose();
  return [...y!.data];
}

/** Indices of the `count` largest numbers, the first of equal ones, by sorting. */
const bySorting = (row: readonly number[], count: number): number[] => {
  const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, count);
  return row.map((_, position) => Number(order.includes(position)));
};

describe('the largest numbers of a row', () => {
  it('are those that sorting finds, the first among equals', async () => {
    const random = new Random(3, 'largest');
    const rows = [
      [1, 1, 1, 1, 1, 1],
      [0, 2, 2, 0, 2, 0],
      [-5, -5, -7, -6, -5, -8],
      [0, 0, 0, 0, 0, 1e-30],
      // Few different numbers, so that most rows have equal ones.
      ...Array.from({ length: 60 }, () => Array.from({ length: 6 }, () => random.integer(4) / 4)),
      ...Array.from({ length: 20 }, () => Array.from({ length: 6 }, () => random.normal())),
    ];
    for (const count of [1, 2, 3, 6])
      assert.deepEqual(
        await computed(rows, (x) => largest(x, count)),
        rows.flatMap((row) => bySorting(row, count)),
        `${count} largest`,
      );
  });
});

describe('routing weights', () => {
  const moe: Mixture = {
    num_experts: 8,
    num_experts_per_tok: 3,
    intermediate_size: 4,
    first_dense_layers: 0,
    scoring: 'sigmoid',
    expert_bias: true,
    n_group: 4,
    topk_group: 2,
    norm_topk_prob: true,
    routed_scaling_factor: 2.5,
  };
  const identity = Float32Array.from({ length: 64 }, (_, at) => Number(at % 9 === 0));
  /** Weights of tokens whose router outputs these numbers. */
  const route = (changes: Partial<Mixture>, outputs: readonly number[][], bias: readonly number[] = Array(8).fill(0)) =>
    computed(outputs, (x) =>
      reshape(
        routingWeights(
          { ...moe, ...changes },
          (name) =>
            name.endsWith('bias')
              ? constant({ shape: [8], data: Float32Array.from(bias) })
              : constant({ shape: [8, 8], data: identity }),
          x,
        ),
        [-1],
      ),
    );
  const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

  it('are limited to the best groups by their two best experts', async () => {
    // Groups of two: the sums of their sigmoids order the groups 3, 1, 0, 2.
    const row = [0.4, -0.1, 0.9, 0.8, 5, -9, 1, 1.5];
    const shares = [2, 6, 7].map((expert) => sigmoid(row[expert]!));
    const sum = shares.reduce((a, b) => a + b);
    const expected = Array(8).fill(0);
    for (const [index, expert] of [2, 6, 7].entries()) expected[expert] = (2.5 * shares[index]!) / sum;
    assertNear(await route({}, [row]), expected, 'two of four groups');
    const free = await route({ topk_group: 4 }, [row]);
    assert.deepEqual(
      free.map((weight) => weight > 0),
      [false, false, false, false, true, false, true, true],
      'all groups',
    );
  });

  it('break ties in order, also between groups', async () => {
    const weights = await route({}, [Array(8).fill(0)]);
    assertNear(
      weights,
      [1, 1, 1, 0, 0, 0, 0, 0].map((one) => (one * 2.5) / 3),
      'all equal',
    );
  });

  it('are selected with the bias and computed without it', async () => {
    const row = [0, 1, 2, 3, 0, 0, 0, 0];
    const bias = [9, 0, 0, 0, 0, 0, 0, 9];
    const weights = await route(
      { num_experts_per_tok: 2, n_group: 1, topk_group: 1, norm_topk_prob: false },
      [row],
      bias,
    );
    assertNear(weights, [1.25, 0, 0, 0, 0, 0, 0, 1.25], 'the biased experts, with a sigmoid of 0.5 each');
  });

  it('are a softmax over all experts if the model requires it', async () => {
    const row = [0, 1, 2, 3, 4, 5, 6, 7];
    const all = row.reduce((sum, value) => sum + Math.exp(value), 0);
    const changes = {
      scoring: 'softmax',
      expert_bias: false,
      n_group: 1,
      topk_group: 1,
      num_experts_per_tok: 2,
    } as const;
    const weights = await route({ ...changes, norm_topk_prob: false, routed_scaling_factor: 1 }, [row]);
    assertNear(weights, [0, 0, 0, 0, 0, 0, Math.exp(6) / all, Math.exp(7) / all], 'without normalisation');
  });
});
