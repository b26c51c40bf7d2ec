import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import { type Bits, blockSize, dequantize, quantize, rounded } from '../../src/engine/quantization.ts';
import { linear, total } from '../../src/graph/compositions.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import * as p from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { Random } from '../../src/platform/random.ts';
import { engines } from '../graph/engines.ts';
import { assertClose, f32, normals } from '../graph/run-program.ts';

const matrix = normals(new Random(1, 'matrix'), [24, 3 * blockSize]);

describe('quantization blocks', () => {
  for (const [bits, levels, bytes] of [
    [8, 127, 1],
    [4, 8, 0.5],
  ] as const)
    it(`of ${bits} bits keep every number within half a quantization level`, () => {
      const kept = quantize(matrix, bits);
      assert.equal(kept.packed.byteLength, matrix.data.length * bytes);
      assert.equal(kept.scales.length, matrix.data.length / blockSize);
      const { data } = dequantize(kept);
      for (let block = 0; block < kept.scales.length; block++) {
        const own = [...matrix.data.subarray(block * blockSize, (block + 1) * blockSize)];
        const largest = Math.max(...own.map(Math.abs));
        own.forEach((value, i) => {
          const found = data[block * blockSize + i]!;
          // At four bits there is no level opposite to the largest number.
          const most = bits === 4 && Math.abs(value) > (7 * largest) / 8 ? 1 : 0.5;
          assert.ok(Math.abs(found - value) <= (most * largest) / levels + 1e-6, `${value} became ${found}`);
          if (Math.abs(value) === largest) assert.ok(Math.abs(found - value) < 1e-6 * largest, 'the largest stays');
        });
      }
      assertClose(rounded(rounded(matrix, bits), bits), rounded(matrix, bits), 'rounding twice', 1e-6);
    });

  it('of zeros are zeros, and other widths are rejected', () => {
    for (const bits of [4, 8] as const) {
      const zeros = f32([1, blockSize], new Float32Array(blockSize));
      assert.deepEqual(dequantize(quantize(zeros, bits)), zeros);
    }
    assert.throws(
      () => quantize(f32([2, 16], new Float32Array(32)), 8),
      /\[2,16\] cannot be quantised: its last axis must be a multiple of 32/,
    );
  });
});

for (const { label, open } of engines)
  describe(`a quantised matrix on ${label}`, () => {
    let opened: Promise<Engine> | undefined;
    const engine = () => {
      opened ??= open();
      return opened;
    };
    after(async () => (await opened)?.dispose());

    for (const bits of [8, 4] as const)
      it(`of ${bits} bits gives the products and gradients of its f32 values`, async () => {
        const x = normals(new Random(2, 'x'), [5, 3 * blockSize]);
        const program = (kept?: Bits) => {
          const given = p.input('x', x.shape);
          const y = linear(given, p.state('w', matrix.shape, kept));
          const [slope] = gradients(total(p.mul(y, y)), [given]);
          return defineProgram('product', { outputs: { y, slope: slope! } });
        };
        const quantized = new Map([['w', bits]]);
        const state = await (await engine()).createState(new Map([['w', matrix]]), { frozen: true, quantized });
        const plain = await (await engine()).createState(new Map([['w', rounded(matrix, bits)]]));
        assertClose(await state.read('w'), rounded(matrix, bits), 'the stored values', 0);
        const [inBlocks, whole] = [
          await (await engine()).compile(program(bits)),
          await (await engine()).compile(program()),
        ];
        const [found, expected] = [await inBlocks.run({ x }, state), await whole.run({ x }, plain)];
        for (const name of ['y', 'slope']) assertClose(found[name]!, expected[name]!, name, 1e-4);
        const none = f32(x.shape, new Float32Array(x.data.length));
        none.data[0] = Number.NaN;
        const { y } = await inBlocks.run({ x: none }, state);
        assert.ok(Number.isNaN(y!.data[0]) && y!.data.at(-1) === 0, 'a row of NaN must not affect other rows');
        for (const one of [inBlocks, whole, state, plain]) await one.dispose();
      });
  });

it('a program must declare the precision of the state', async () => {
  const engine = await engines[0]!.open();
  const state = await engine.createState(new Map([['w', matrix]]), { frozen: true, quantized: new Map([['w', 4]]) });
  const product = (bits?: Bits) =>
    defineProgram('product', {
      outputs: { y: linear(p.input('x', [1, 96]), p.state('w', matrix.shape, bits)) },
    });
  const x = f32([1, 96], new Float32Array(96));
  await assert.rejects((await engine.compile(product(8))).run({ x }, state), /state w is not quantised to 8 bits/);
  await assert.rejects((await engine.compile(product())).run({ x }, state), /there is no state named w/);
  await assert.rejects(
    engine.compile(defineProgram('sum', { outputs: { y: p.add(p.state('w', [1, 32], 8), 1) } })),
    /a quantised matrix can only be an operand of a matrix product/,
  );
  await engine.dispose();
});
