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

describe('blocks', () => {
  for (const [bits, levels, bytes] of [
    [8, 127, 1],
    [4, 8, 0.5],
  ] as const)
    it(`of ${bits} bits keep every number within half a level of its block`, () => {
      const kept = quantize(matrix, bits);
      assert.equal(kept.blocks.byteLength, matrix.data.length * bytes);
      assert.equal(kept.scales.length, matrix.data.length / blockSize);
      const { data } = dequantize(kept);
      for (let block = 0; block < kept.scales.length; block++) {
        const own = [...matrix.data.subarray(block * blockSize, (block + 1) * blockSize)];
        const largest = Math.max(...own.map(Math.abs));
        own.forEach((value, i) => {
          const found = data[block * blockSize + i]!;
          // At four bits the level opposite to the largest number is missing.
          const most = bits === 4 && Math.abs(value) > (7 * largest) / 8 ? 1 : 0.5;
          assert.ok(Math.abs(found - value) <= (most * largest) / levels + 1e-6, `${value} became ${found}`);
          if (Math.abs(value) === largest) assert.ok(Math.abs(found - value) < 1e-6 * largest, 'the largest stays');
        });
      }
      assertClose(rounded(rounded(matrix, bits), bits), rounded(matrix, bits), 'rounding twice', 1e-6);
    });

  it('of nothing are nothing, and other widths are no blocks', () => {
    for (const bits of [4, 8] as const) {
      const zeros = f32([1, blockSize], new Float32Array(blockSize));
      assert.deepEqual(dequantize(quantize(zeros, bits)), zeros);
    }
    assert.throws(() => quantize(f32([2, 16], new Float32Array(32)), 8), /\[2,16\] cannot be cut into blocks of 32/);
  });
});

for (const { label, open } of engines)
  describe(`a matrix in blocks on ${label}`, () => {
    let opened: Promise<Engine> | undefined;
    const engine = () => {
      opened ??= open();
      return opened;
    };
    after(async () => (await opened)?.dispose());

    for (const bits of [8, 4] as const)
      it(`of ${bits} bits multiplies, and lets gradients through, as the numbers do that it stands for`, async () => {
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
        assertClose(await state.read('w'), rounded(matrix, bits), 'what is kept', 0);
        const [inBlocks, whole] = [
          await (await engine()).compile(program(bits)),
          await (await engine()).compile(program()),
        ];
        const [found, expected] = [await inBlocks.run({ x }, state), await whole.run({ x }, plain)];
        for (const name of ['y', 'slope']) assertClose(found[name]!, expected[name]!, name, 1e-4);
        const none = f32(x.shape, new Float32Array(x.data.length));
        none.data[0] = Number.NaN;
        const { y } = await inBlocks.run({ x: none }, state);
        assert.ok(Number.isNaN(y!.data[0]) && y!.data.at(-1) === 0, 'a row that is no number spoils no other');
        for (const one of [inBlocks, whole, state, plain]) await one.dispose();
      });
  });

it('a program names the blocks that the state keeps', async () => {
  const engine = await engines[0]!.open();
  const state = await engine.createState(new Map([['w', matrix]]), { frozen: true, quantized: new Map([['w', 4]]) });
  const product = (bits?: Bits) =>
    defineProgram('product', {
      outputs: { y: linear(p.input('x', [1, 96]), p.state('w', matrix.shape, bits)) },
    });
  const x = f32([1, 96], new Float32Array(96));
  await assert.rejects((await engine.compile(product(8))).run({ x }, state), /state w is not kept in blocks of 8 bits/);
  await assert.rejects((await engine.compile(product())).run({ x }, state), /there is no state named w/);
  await assert.rejects(
    engine.compile(defineProgram('sum', { outputs: { y: p.add(p.state('w', [1, 32], 8), 1) } })),
    /a matrix in blocks is multiplied with something else, and nothing more/,
  );
  await engine.dispose();
});
