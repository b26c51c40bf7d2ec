import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import { total } from '../../src/graph/compositions.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import * as p from '../../src/graph/primitives.ts';
import type { HostTensor, PrimitiveName, Tensor } from '../../src/graph/tensor.ts';
import { sizeOf } from '../../src/graph/tensor.ts';
import { Random } from '../../src/platform/random.ts';
import { evaluate, finiteDifferences } from './reference.ts';
import { assertClose, f32, i32, normals, runProgram } from './run-program.ts';

export interface Case {
  readonly about: string;
  readonly operands: readonly HostTensor[];
  readonly build: (...x: Tensor[]) => Tensor;
  readonly leaf?: 'input' | 'state';
  /** The rule defines no gradient although the value depends on the operand. */
  readonly blocked?: boolean;
  /** The rule gives the gradients of this smooth function instead of the case's own. */
  readonly gradientsOf?: (...x: Tensor[]) => Tensor;
}

const random = new Random(1, 'primitives');
const n = (...shape: number[]) => normals(random, shape);
/** Values away from 0, where the curvature of log, sqrt and div is too large for finite differences. */
const positive = (...shape: number[]) => {
  const x = n(...shape);
  return { shape, data: Float32Array.from(x.data, (value) => 0.5 + Math.abs(value)) };
};

const unary = (build: (x: Tensor) => Tensor, operand = n): Case[] =>
  [[], [5], [2, 3, 4]].map((shape) => ({ about: `[${shape}]`, operands: [operand(...shape)], build }));

/**
 * All combinations of operand shapes: equal, a scalar, missing leading axes, and extents of 1 on either side and on
 * both.
 */
const meetings: [number[], number[]][] = [
  [[], []],
  [[3], []],
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [[3], [2, 3]],
  [
    [2, 1],
    [2, 3],
  ],
  [
    [2, 1, 3],
    [4, 1],
  ],
  [
    [1, 3],
    [1, 1],
  ],
];
const binary = (build: (a: Tensor, b: Tensor) => Tensor, second = n): Case[] =>
  meetings.map(([a, b]) => ({ about: `[${a}] and [${b}]`, operands: [n(...a), second(...b)], build }));
const numbers = (build: (x: Tensor) => Tensor): Case => ({ about: 'with a number', operands: [positive(2, 3)], build });
const whole = (build: (a: Tensor, b: Tensor) => Tensor): Case => ({
  about: 'whole numbers',
  operands: [i32([2, 3], [1, -2, 3, 4, 0, 6]), i32([3], [1, -7, 3])],
  build: (a, b) => p.cast(build(a, b), 'f32'),
});
const truth = (build: (a: Tensor, b: Tensor) => Tensor) => (a: Tensor, b: Tensor) => p.cast(build(a, b), 'f32');
const tied: Case['operands'] = [f32([2, 2], [1, 2, -3, 4]), f32([2, 2], [1, 5, -3, 0])];

const reductions = (build: (x: Tensor, axes: readonly number[]) => Tensor): Case[] => [
  { about: 'last axis', operands: [n(2, 3, 4)], build: (x) => build(x, [2]) },
  { about: 'first axis', operands: [n(3, 4)], build: (x) => build(x, [0]) },
  { about: 'outer axes', operands: [n(2, 3, 4)], build: (x) => build(x, [0, 2]) },
  { about: 'all axes', operands: [n(2, 3)], build: (x) => build(x, [0, 1]) },
  { about: 'no axes', operands: [n(2, 3)], build: (x) => build(x, []) },
  { about: 'an extent of 1', operands: [n(3, 1)], build: (x) => build(x, [1]) },
];
const products: Case[] = [false, true].flatMap((transposeA) =>
  [false, true].flatMap((transposeB) =>
    [[], [2], [2, 3]].map((batch): Case => {
      const [m, k, l] = [2, 3, 4];
      const a = [...batch, ...(transposeA ? [k, m] : [m, k])];
      const b = [...batch, ...(transposeB ? [l, k] : [k, l])];
      return {
        about: `[${a}] by [${b}]${transposeA ? ', left transposed' : ''}${transposeB ? ', right transposed' : ''}`,
        operands: [n(...a), n(...b)],
        build: (x, y) => p.matmul(x, y, { transposeA, transposeB }),
      };
    }),
  ),
);
const rotation = (...shape: number[]): Case => {
  const [length, d] = shape.slice(-2) as [number, number];
  const angles = Array.from({ length: (length * d) / 2 }, (_, index) => index * 0.7);
  const cosines = p.constant(f32([length, d / 2], angles.map(Math.cos)));
  const sines = p.constant(f32([length, d / 2], angles.map(Math.sin)));
  return { about: `[${shape}]`, operands: [n(...shape)], build: (x) => p.rotate(x, cosines, sines) };
};

export const cases: { readonly [P in PrimitiveName]: readonly Case[] } = {
  input: [{ about: 'handed through', operands: [n(2, 3)], build: (x) => x }],
  state: [{ about: 'read', operands: [n(2, 3)], build: (x) => p.mul(x, 2), leaf: 'state' }],
  constant: [
    { about: 'in a product', operands: [n(2, 2)], build: (x) => p.mul(x, p.constant(f32([2, 2], [1, 2, 3, 4]))) },
    { about: 'whole numbers', operands: [n(4, 2)], build: (x) => p.gather(x, p.constant(i32([2], [3, 1]))) },
    { about: 'a result by itself', operands: [], build: () => p.constant(f32([2], [3, 4])) },
  ],
  add: [...binary(p.add), numbers((x) => p.add(2, x)), whole(p.add)],
  sub: [...binary(p.sub), numbers((x) => p.sub(2, x)), whole(p.sub)],
  mul: [
    ...binary(p.mul),
    numbers((x) => p.mul(x, 3)),
    whole(p.mul),
    { about: 'an operand with itself', operands: [n(3)], build: (x) => p.mul(x, x) },
  ],
  div: [...binary(p.div, positive), numbers((x) => p.div(2, x))],
  maximum: [...binary(p.maximum), numbers((x) => p.maximum(x, 1)), { about: 'ties', operands: tied, build: p.maximum }],
  minimum: [...binary(p.minimum), numbers((x) => p.minimum(x, 1)), { about: 'ties', operands: tied, build: p.minimum }],
  neg: unary(p.neg),
  exp: unary(p.exp),
  log: unary(p.log, positive),
  sqrt: unary(p.sqrt, positive),
  sin: [...unary(p.sin), { about: 'far angles', operands: [f32([3], [30, -100, 511])], build: p.sin }],
  sigmoid: [...unary(p.sigmoid), { about: 'far out', operands: [f32([4], [-90, -20, 20, 90])], build: p.sigmoid }],
  equal: [
    ...binary(truth(p.equal)),
    whole(p.equal),
    { about: 'ties', operands: tied.map(({ shape, data }) => i32(shape, data)), build: truth(p.equal) },
  ],
  less: [...binary(truth(p.less)), whole(p.less)],
  where: [
    { about: 'equal shapes', operands: [n(2, 3), n(2, 3)], build: (a, b) => p.where(p.less(a, b), a, b) },
    { about: 'numbers', operands: [n(2, 3)], build: (x) => p.where(p.less(x, 0), p.mul(x, 0.1), 7) },
    {
      about: 'each operand broadcast',
      operands: [i32([2, 1], [0, 1]), n(3), n(1, 1)],
      build: (c, a, b) => p.where(p.equal(c, 1), a, b),
    },
    {
      about: 'whole numbers',
      operands: [i32([3], [0, 1, 2])],
      build: (x) => p.cast(p.where(p.equal(x, 1), p.scalar(5, 'i32'), x), 'f32'),
    },
  ],
  cast: [
    {
      about: 'towards zero',
      operands: [f32([4], [1.7, -1.7, 0.2, 8.5])],
      build: (x) => p.cast(p.cast(x, 'i32'), 'f32'),
    },
    { about: 'truth to whole numbers', operands: [n(5)], build: (x) => p.cast(p.cast(p.less(x, 0), 'i32'), 'f32') },
    { about: 'number to truth', operands: [f32([3], [0, 0.4, -2])], build: (x) => p.cast(p.cast(x, 'bool'), 'f32') },
  ],
  stopGradient: [
    { about: 'alone', operands: [n(3)], build: (x) => p.mul(p.stopGradient(x), 2), blocked: true },
    { about: 'as the result', operands: [n(3)], build: (x) => p.stopGradient(x), blocked: true },
  ],
  matmul: [
    ...products,
    { about: 'a matrix with itself', operands: [n(3, 3)], build: (x) => p.matmul(x, x, { transposeA: true }) },
  ],
  int8Matmul: [
    [3, 5, 4],
    [1, 40, 7],
    [2, 1, 1],
  ].map(([rows, inner, columns]) => ({
    about: `[${rows},${inner}] by [${columns},${inner}] transposed`,
    operands: [n(rows!, inner!), n(columns!, inner!)],
    build: p.int8Matmul,
    gradientsOf: (x: Tensor, w: Tensor) => p.matmul(x, w, { transposeB: true }),
  })),
  reshape: [
    { about: 'split', operands: [n(2, 6)], build: (x) => p.reshape(x, [2, 3, 2]) },
    { about: 'the rest', operands: [n(2, 6)], build: (x) => p.reshape(x, [-1]) },
    { about: 'to a scalar', operands: [n(1, 1)], build: (x) => p.reshape(x, []) },
  ],
  transpose: [
    { about: 'a matrix', operands: [n(2, 3)], build: (x) => p.transpose(x, [1, 0]) },
    { about: 'a cycle', operands: [n(2, 3, 4)], build: (x) => p.transpose(x, [2, 0, 1]) },
    { about: 'heads', operands: [n(2, 3, 2, 4)], build: (x) => p.transpose(x, [0, 2, 1, 3]) },
    { about: 'nothing', operands: [n(2, 3)], build: (x) => p.transpose(x, [0, 1]) },
  ],
  broadcast: [
    { about: 'a scalar', operands: [n()], build: (x) => p.broadcast(x, [2, 3]) },
    { about: 'rows', operands: [n(3)], build: (x) => p.broadcast(x, [2, 3]) },
    { about: 'inner axes', operands: [n(2, 1, 3)], build: (x) => p.broadcast(x, [4, 2, 5, 3]) },
    {
      about: 'before an elementwise operation',
      operands: [n(3), n(2, 3)],
      build: (x, y) => p.mul(p.broadcast(x, [2, 3]), y),
    },
    {
      about: 'both sides of an elementwise operation',
      operands: [n(3), n(2, 1)],
      build: (x, y) => p.sub(p.broadcast(x, [2, 3]), p.broadcast(y, [2, 3])),
    },
  ],
  slice: [
    { about: 'the middle', operands: [n(5)], build: (x) => p.slice(x, 0, 1, 3) },
    { about: 'an inner axis', operands: [n(2, 4, 3)], build: (x) => p.slice(x, 1, 2, 4) },
    { about: 'all', operands: [n(2, 3)], build: (x) => p.slice(x, 1, 0, 3) },
  ],
  pad: [
    { about: 'both sides', operands: [n(3)], build: (x) => p.pad(x, 0, 1, 2) },
    { about: 'an inner axis', operands: [n(2, 2, 3)], build: (x) => p.pad(x, 1, 0, 2) },
    { about: 'nothing', operands: [n(2)], build: (x) => p.pad(x, 0, 0, 0) },
  ],
  concat: [
    { about: 'first axis', operands: [n(2, 3), n(1, 3)], build: (...x) => p.concat(x, 0) },
    { about: 'last axis', operands: [n(2, 1), n(2, 3), n(2, 2)], build: (...x) => p.concat(x, 1) },
    { about: 'one tensor twice', operands: [n(2, 3)], build: (x) => p.concat([x, x], 0) },
  ],
  reduceSum: reductions(p.reduceSum),
  reduceMax: [
    ...reductions(p.reduceMax),
    { about: 'two at the top', operands: [f32([2, 4], [1, 4, 4, 0, 3, 2, 1, 3])], build: (x) => p.reduceMax(x, [1]) },
  ],
  softmax: [
    ...unary(p.softmax).slice(1),
    { about: 'far apart', operands: [f32([2, 3], [1000, 999, -1e30, 0, 0, 0])], build: p.softmax },
  ],
  logSoftmax: [
    ...unary(p.logSoftmax).slice(1),
    { about: 'far apart', operands: [f32([2, 3], [1000, 999, -1000, 0, 0, 0])], build: p.logSoftmax },
  ],
  rmsNorm: [
    { about: 'a row', operands: [n(4), n(4)], build: (x, gain) => p.rmsNorm(x, gain, 1e-6) },
    { about: 'inner rows', operands: [n(2, 3, 8), n(8)], build: (x, gain) => p.rmsNorm(x, gain, 0.1) },
    {
      about: 'a row of zeros',
      operands: [f32([2, 3], [0, 0, 0, 3, -4, 5]), n(3)],
      build: (x, gain) => p.rmsNorm(x, gain, 0.01),
    },
  ],
  topValues: [{ about: 'of rows', operands: [n(2, 3, 7)], build: (x) => p.topValues(x, 3), blocked: true }],
  topIndices: [
    {
      about: 'of rows',
      operands: [n(2, 3, 7)],
      build: (x) => p.cast(p.topIndices(x, 3), 'f32'),
      blocked: true,
    },
    {
      about: 'equal values',
      operands: [f32([2, 4], [1, 4, 4, 0, 3, 3, 3, 3])],
      build: (x) => p.cast(p.topIndices(x, 2), 'f32'),
      blocked: true,
    },
  ],
  gather: [
    { about: 'rows', operands: [n(4, 3), i32([3], [2, 0, 2])], build: p.gather },
    { about: 'an index matrix', operands: [n(4, 3), i32([2, 3], [2, 0, 2, 3, 3, 3])], build: p.gather },
    { about: 'from a vector', operands: [n(4), i32([2], [3, 1])], build: p.gather },
    { about: 'one row', operands: [n(4, 2, 2), i32([], [1])], build: p.gather },
  ],
  scatterAdd: [
    { about: 'repeated rows', operands: [i32([4], [2, 0, 2, 2]), n(4, 3)], build: (i, x) => p.scatterAdd(i, x, 4) },
    {
      about: 'an index matrix',
      operands: [i32([2, 2], [1, 1, 0, 1]), n(2, 2, 3)],
      build: (i, x) => p.scatterAdd(i, x, 3),
    },
    { about: 'scalars', operands: [i32([3], [4, 4, 0]), n(3)], build: (i, x) => p.scatterAdd(i, x, 5) },
  ],
  pick: [
    { about: 'from a vector', operands: [n(4), i32([], [2])], build: p.pick },
    { about: 'from rows', operands: [n(3, 4), i32([3], [0, 3, 3])], build: p.pick },
    { about: 'from a batch', operands: [n(2, 2, 3), i32([2, 2], [0, 2, 1, 1])], build: p.pick },
  ],
  oneHot: [
    { about: 'a vector', operands: [i32([3], [0, 2, 2])], build: (i) => p.oneHot(i, 4) },
    { about: 'a scalar', operands: [i32([], [1])], build: (i) => p.oneHot(i, 3) },
    { about: 'a matrix', operands: [i32([2, 2], [0, 1, 1, 0])], build: (i) => p.oneHot(i, 2) },
    { about: 'no such place', operands: [i32([2], [-1, 9])], build: (i) => p.oneHot(i, 3) },
  ],
  rotate: [rotation(3, 4), rotation(2, 3, 4), rotation(2, 2, 3, 8), rotation(2, 1, 2, 3, 2)],
};

/** Runs every case on an engine: compares values with the reference, and gradients with finite differences. */
export function checkPrimitives(label: string, open: () => Promise<Engine>): void {
  describe(`primitives on ${label}`, () => {
    let opened: Promise<Engine> | undefined;
    const engine = () => (opened ??= open());
    after(async () => (await opened)?.dispose());

    for (const [primitive, list] of Object.entries(cases)) {
      for (const { about, operands, build, leaf = 'input', blocked = false, gradientsOf = build } of list) {
        it(`${primitive}: ${about}`, async () => {
          const values = Object.fromEntries(operands.map((operand, index) => [`x${index}`, operand]));
          const leaves = operands.map(({ shape, data }, index) =>
            leaf === 'state'
              ? p.state(`x${index}`, shape)
              : p.input(`x${index}`, shape, data instanceof Int32Array ? 'i32' : 'f32'),
          );
          const result = build(...leaves);
          const weights = p.constant(normals(new Random(2, primitive, about), result.shape));
          const scalar = total(p.mul(result, weights));
          const smoothScalar = total(p.mul(gradientsOf(...leaves), weights));
          const smooth = leaves.filter(({ dtype }) => dtype === 'f32');
          const slopes = gradients(scalar, smooth);
          const outputs = Object.fromEntries([
            ['value', result],
            ...slopes.map((slope, index) => [`slope${index}`, slope]),
          ]);

          const [feeds, state] = leaf === 'state' ? [{}, values] : [values, {}];
          const ran = await runProgram(await engine(), { outputs }, feeds, { state });

          assertClose(ran.outputs.value!, { ...evaluate([result], values)[0]!, shape: result.shape }, 'value');
          assert.deepEqual(evaluate([result], values)[0]!.shape, result.shape, 'shape rule');
          smooth.forEach((operand, index) => {
            const name = `x${leaves.indexOf(operand)}`;
            const expected = blocked
              ? { shape: operand.shape, data: new Float64Array(sizeOf(operand.shape)) }
              : finiteDifferences(smoothScalar, values, name);
            assertClose(ran.outputs[`slope${index}`]!, expected, `gradient of ${name}`, 1e-4);
          });
        });
      }
    }
  });
}
