/** Compares compositions with written-out formulas, and their gradients with finite differences, on every engine. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import * as c from '../../src/graph/compositions.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import * as p from '../../src/graph/primitives.ts';
import type { HostTensor, Tensor } from '../../src/graph/tensor.ts';
import { Random } from '../../src/platform/random.ts';
import { engines } from './engines.ts';
import { finiteDifferences, type Values } from './reference.ts';
import { assertClose, f32, i32, normals, runProgram } from './run-program.ts';

const random = new Random(1, 'compositions');
const n = (...shape: number[]) => normals(random, shape);
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);
const rows = ({ data, shape }: HostTensor): number[][] => {
  const width = shape.at(-1)!;
  return Array.from({ length: data.length / width }, (_, row) => [...data.slice(row * width, (row + 1) * width)]);
};

interface Case {
  readonly name: string;
  readonly operands: readonly HostTensor[];
  readonly build: (...x: Tensor[]) => Tensor;
  readonly expected: (...x: HostTensor[]) => Values;
}

const cases: Case[] = [
  { name: 'total', operands: [n(2, 3)], build: c.total, expected: (x) => ({ shape: [], data: [sum(x.data)] }) },
  { name: 'total of a scalar', operands: [n()], build: c.total, expected: (x) => x },
  {
    name: 'mean',
    operands: [n(2, 3)],
    build: (x) => c.mean(x, [1]),
    expected: (x) => ({ shape: [2, 1], data: rows(x).map((row) => sum(row) / 3) }),
  },
  {
    name: 'logSumExp',
    operands: [n(2, 3)],
    build: (x) => c.logSumExp(x, [1]),
    expected: (x) => ({ shape: [2, 1], data: rows(x).map((row) => Math.log(sum(row.map(Math.exp)))) }),
  },
  {
    name: 'logSumExp far from 0',
    operands: [f32([2, 2], [500, 501, -700, -700])],
    build: (x) => c.logSumExp(x, [1]),
    expected: () => ({ shape: [2, 1], data: [501 + Math.log(1 + Math.exp(-1)), -700 + Math.log(2)] }),
  },
  {
    name: 'logSumExp with -1e30 as log 0',
    operands: [n(2, 3)],
    build: (x) => c.logSumExp(p.where(p.equal(p.constant(i32([3], [0, 1, 0])), 1), -1e30, x), [1]),
    expected: (x) => ({ shape: [2, 1], data: rows(x).map(([a, , b]) => Math.log(Math.exp(a!) + Math.exp(b!))) }),
  },
  {
    name: 'silu',
    operands: [n(5)],
    build: c.silu,
    expected: ({ shape, data }) => ({ shape, data: Float64Array.from(data, (x) => x / (1 + Math.exp(-x))) }),
  },
  {
    name: 'cos',
    operands: [n(5)],
    build: c.cos,
    expected: ({ shape, data }) => ({ shape, data: Float64Array.from(data, Math.cos) }),
  },
  {
    name: 'linear',
    operands: [n(2, 2, 3), n(4, 3)],
    build: (x, weight) => c.linear(x, weight),
    expected: (x, weight) => ({
      shape: [2, 2, 4],
      data: rows(x).flatMap((row) => rows(weight).map((to) => sum(row.map((value, i) => value * to[i]!)))),
    }),
  },
  {
    name: 'linear with a bias',
    operands: [n(3), n(2, 3), n(2)],
    build: c.linear,
    expected: (x, weight, bias) => ({
      shape: [2],
      data: rows(weight).map((to, out) => sum(to.map((value, i) => value * x.data[i]!)) + bias.data[out]!),
    }),
  },
];

for (const { label, open } of engines) {
  describe(`compositions on ${label}`, () => {
    let opened: Promise<Engine> | undefined;
    const engine = () => {
      opened ??= open();
      return opened;
    };
    after(async () => (await opened)?.dispose());

    for (const { name, operands, build, expected } of cases) {
      it(name, async () => {
        const feeds = Object.fromEntries(operands.map((operand, index) => [`x${index}`, operand]));
        const leaves = operands.map(({ shape }, index) => p.input(`x${index}`, shape));
        const value = build(...leaves);
        const scalar = c.total(p.mul(value, p.constant(normals(new Random(3, name), value.shape))));
        const slopes = Object.fromEntries(gradients(scalar, leaves).map((slope, index) => [`x${index}`, slope]));
        const { outputs } = await runProgram(await engine(), { outputs: { value, ...slopes } }, feeds);
        assertClose(outputs.value!, expected(...operands), 'value');
        for (const leaf of Object.keys(slopes))
          assertClose(outputs[leaf]!, finiteDifferences(scalar, feeds, leaf), `gradient of ${leaf}`, 1e-4);
      });
    }

    it('logSumExp: a term of -1e30 has no gradient, and only such terms give -1e30', async () => {
      const x = p.input('x', [2, 2]);
      const value = c.logSumExp(x, [1]);
      const [slope] = gradients(c.total(value), [x]) as [Tensor];
      const feeds = { x: f32([2, 2], [-1e30, 2, -1e30, -1e30]) };
      const { outputs } = await runProgram(await engine(), { outputs: { value, slope } }, feeds);
      assertClose(outputs.value!, f32([2, 1], [2, -1e30]), 'value');
      assertClose(outputs.slope!, f32([2, 2], [0, 1, 0.5, 0.5]), 'gradient');
    });

    it('three equal maxima share the gradient', async () => {
      const x = p.input('x', [4]);
      const [slope] = gradients(c.total(p.reduceMax(x, [0])), [x]) as [Tensor];
      const { outputs } = await runProgram(await engine(), { outputs: { slope } }, { x: f32([4], [7, 1, 7, 7]) });
      assertClose(outputs.slope!, f32([4], [1 / 3, 0, 1 / 3, 1 / 3]), 'gradient');
    });
  });
}

describe('differentiation', () => {
  const engine = engines[0]!.open;
  const slopesOf = async (scalar: Tensor, targets: Tensor[], feeds: Record<string, HostTensor>) => {
    const outputs = Object.fromEntries(gradients(scalar, targets).map((slope, index) => [index, slope]));
    const program = { outputs: { ...outputs, scalar } };
    return Object.values((await runProgram(await engine(), program, feeds)).outputs).map(({ data }) => [...data]);
  };

  it('sums the gradients of all uses', async () => {
    const x = p.input('x', [2]);
    const y = p.mul(x, x);
    const [slope] = await slopesOf(c.total(p.add(p.mul(y, y), p.sub(y, x))), [x], { x: f32([2], [2, -3]) });
    assert.deepEqual(slope, [4 * 8 + 4 - 1, 4 * -27 - 6 - 1]);
  });

  it('returns zeros for a target without a gradient', async () => {
    const [x, unused, whole] = [p.input('x', [2]), p.input('u', [2, 2]), p.state('w', [3])];
    const slopes = gradients(c.total(x), [unused, whole, x]);
    assert.deepEqual(
      slopes.map(({ shape }) => shape),
      [[2, 2], [3], [2]],
    );
    const { outputs } = await runProgram(await engine(), { outputs: { a: slopes[0]!, b: slopes[1]! } }, {});
    assert.deepEqual(
      [[...outputs.a!.data], [...outputs.b!.data]],
      [
        [0, 0, 0, 0],
        [0, 0, 0],
      ],
    );
  });

  it('stops at stopGradient, but not on other paths', async () => {
    const x = p.input('x', [1]);
    const [slope] = await slopesOf(c.total(p.mul(p.stopGradient(x), p.mul(x, x))), [x], { x: f32([1], [3]) });
    assert.deepEqual(slope, [2 * 9]);
  });

  it('supports an intermediate node and the scalar itself as targets', async () => {
    const x = p.input('x', [1]);
    const middle = p.mul(x, 3);
    const scalar = c.total(p.mul(middle, middle));
    const [toMiddle, toItself, toInput] = await slopesOf(scalar, [middle, scalar, x], { x: f32([1], [2]) });
    assert.deepEqual([toMiddle, toItself, toInput], [[12], [1], [36]]);
  });

  it('differentiates a gradient again', async () => {
    const x = p.input('x', [1]);
    const [first] = gradients(c.total(p.mul(p.mul(x, x), x)), [x]) as [Tensor];
    const [second] = await slopesOf(c.total(first), [x], { x: f32([1], [2]) });
    assert.deepEqual(second, [12]);
  });

  it('rejects a tensor that is not a scalar', () => {
    assert.throws(() => gradients(p.input('x', [2]), []), /only a scalar can be differentiated, not \[2\]/);
  });
});
