import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import { lower } from '../../src/engine/onnx/lowering.ts';
import { HostState } from '../../src/engine/onnx/onnx-state.ts';
import { type Int8Storage, productsAreExact } from '../../src/engine/onnx/quantized.ts';
import { blockSize, dequantize, quantize, quantizedBytes, rounded } from '../../src/engine/quantization.ts';
import { total } from '../../src/graph/compositions.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import * as p from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { type HostTensor, sourceOf, type WeightFormat } from '../../src/graph/tensor.ts';
import { Random } from '../../src/platform/random.ts';
import { engines } from '../graph/engines.ts';
import { assertClose, f32, normals } from '../graph/run-program.ts';

const matrix = normals(new Random(1, 'matrix'), [24, 3 * blockSize]);
const formats: readonly WeightFormat[] = ['int8-blocks', 'int4-blocks', 'int8-channels', 'int7-channels'];
const levels = { 'int8-blocks': 127, 'int4-blocks': 8, 'int8-channels': 127, 'int7-channels': 63 } as const;

describe('quantized matrices', () => {
  for (const format of formats)
    it(`preserve every number to within half a quantization level as ${format}`, () => {
      const kept = quantize(matrix, format);
      const group = format.endsWith('channels') ? 3 * blockSize : blockSize;
      assert.equal(kept.scales.length, matrix.data.length / group);
      assert.equal(kept.values.byteLength + kept.scales.byteLength, quantizedBytes(matrix.shape, format));
      const { data } = dequantize(kept);
      for (let start = 0; start < data.length; start += group) {
        const own = [...matrix.data.subarray(start, start + group)];
        const largest = Math.max(...own.map(Math.abs));
        own.forEach((value, i) => {
          const found = data[start + i]!;
          // With four bits, there is no level opposite to the largest number.
          const most = format === 'int4-blocks' && Math.abs(value) > (7 * largest) / 8 ? 1 : 0.5;
          assert.ok(Math.abs(found - value) <= (most * largest) / levels[format] + 1e-6, `${value} became ${found}`);
          if (Math.abs(value) === largest)
            assert.ok(Math.abs(found - value) < 1e-6 * largest, 'the largest number is exact');
        });
      }
      assertClose(rounded(rounded(matrix, format), format), rounded(matrix, format), 'rounding twice', 1e-6);
    });

  it('of zeros are zeros, and matrices of other widths are not quantized', () => {
    for (const format of formats) {
      const zeros = f32([1, blockSize], new Float32Array(blockSize));
      assert.deepEqual(dequantize(quantize(zeros, format)), zeros);
    }
    const narrow = f32([2, 16], new Float32Array(32));
    assert.throws(() => quantize(narrow, 'int8-blocks'), /a matrix \[2,16\] cannot be kept as int8-blocks/);
    assert.deepEqual(dequantize(quantize(narrow, 'int8-channels')), narrow);
  });
});

/**
 * Results of multiplying x by a matrix, optionally with rounded rows, and the gradient of the sum of squares with
 * respect to x.
 */
function product(x: HostTensor, of: 'matmul' | 'int8Matmul', format?: WeightFormat) {
  const rows = p.input('x', x.shape);
  const w = p.state('w', matrix.shape, format);
  const y = of === 'matmul' ? p.matmul(rows, w, { transposeB: true }) : p.int8Matmul(rows, w);
  const [slope] = gradients(total(p.mul(y, y)), [rows]);
  return defineProgram('product', { outputs: { y, slope: slope! } });
}

for (const { label, open } of engines)
  describe(`a quantized matrix on ${label}`, () => {
    let opened: Promise<Engine> | undefined;
    const engine = () => {
      opened ??= open();
      return opened;
    };
    after(async () => (await opened)?.dispose());

    for (const format of formats)
      for (const of of ['matmul', 'int8Matmul'] as const)
        it(`as ${format} gives the products and gradients of the dequantized numbers by ${of}`, async () => {
          const x = normals(new Random(2, 'x'), [5, 3 * blockSize]);
          const quantized = new Map([['w', format]]);
          const state = await (await engine()).createState(new Map([['w', matrix]]), { frozen: true, quantized });
          const plain = await (await engine()).createState(new Map([['w', rounded(matrix, format)]]));
          assertClose(await state.read('w'), rounded(matrix, format), 'the stored numbers', 0);
          const kept = await (await engine()).compile(product(x, of, format));
          const whole = await (await engine()).compile(product(x, of));
          const [found, expected] = [await kept.run({ x }, state), await whole.run({ x }, plain)];
          for (const name of ['y', 'slope']) assertClose(found[name]!, expected[name]!, name, 1e-4);
          const none = f32(x.shape, new Float32Array(x.data.length));
          none.data[0] = Number.NaN;
          const { y } = await kept.run({ x: none }, state);
          assert.ok(Number.isNaN(y!.data[0]) && y!.data.at(-1) === 0, 'NaN in one row does not affect other rows');
          for (const one of [kept, whole, state, plain]) await one.dispose();
        });
  });

for (const { label, open } of engines)
  it(`gathers the dequantized rows of a channel-major matrix on ${label}`, async () => {
    const engine = await open();
    for (const format of ['int8-channels', 'int7-channels'] as const) {
      const state = await engine.createState(new Map([['w', matrix]]), {
        frozen: true,
        quantized: new Map([['w', format]]),
      });
      const indices = p.input('indices', [2, 2], 'i32');
      const program = defineProgram('rows', {
        outputs: { rows: p.gather(p.state('w', matrix.shape, format), indices) },
      });
      const executable = await engine.compile(program);
      const { rows } = await executable.run({ indices: { shape: [2, 2], data: Int32Array.of(23, 0, 5, 23) } }, state);
      const { data } = rounded(matrix, format);
      const expected = [23, 0, 5, 23].flatMap((row) => [...data.subarray(row * 96, (row + 1) * 96)]);
      assertClose(rows!, f32([2, 2, 96], expected), format, 1e-6);
      for (const one of [executable, state]) await one.dispose();
    }
    await engine.dispose();
  });

it('integer sums are exact at the ends of the range on this machine, whichever way it stores the matrix', async () => {
  const engine = await engines[0]!.open();
  const [rows, inner, columns] = [4, 512, 48];
  const ends = (shape: number[]) =>
    f32(
      shape,
      Array.from({ length: shape[0]! * shape[1]! }, (_, i) => (i % 7 < 5 ? 1 : -1)),
    );
  const [x, w] = [ends([rows, inner]), ends([columns, inner])];
  const input = p.input('x', x.shape);
  const program = defineProgram('ends', {
    outputs: { y: p.int8Matmul(input, p.state('w', w.shape, 'int8-channels')) },
  });
  const quantized = new Map([['w', 'int8-channels' as const]]);
  const state = await engine.createState(new Map([['w', w]]), { frozen: true, quantized });
  const executable = await engine.compile(program);
  const { y } = await executable.run({ x }, state);
  const expected = f32(
    [rows, columns],
    Array.from({ length: rows * columns }, (_, position) => {
      const [row, column] = [Math.floor(position / columns), position % columns];
      let sum = 0;
      for (let k = 0; k < inner; k++) sum += x.data[row * inner + k]! * w.data[column * inner + k]!;
      return sum;
    }),
  );
  assertClose(y!, expected, 'sums', 1e-5);
  for (const one of [executable, state, engine]) await one.dispose();
});

it('matrices stored with either sign are read back identically, and programs are lowered for both', async () => {
  assert.equal(await productsAreExact('unsigned'), true, 'every processor sums unsigned products exactly');
  const quantized = new Map([['w', 'int8-channels' as const]]);
  const read = async (storage: Int8Storage) => {
    const state = await HostState.fill(sourceOf(new Map([['w', matrix]])), { frozen: true, quantized, storage });
    assert.equal(state.quantized('w')!.values.type, storage === 'signed' ? 'int8' : 'uint8');
    return state.read('w');
  };
  assert.deepEqual(await read('signed'), await read('unsigned'));
  const program = product(f32([1, 96], new Float32Array(96)), 'int8Matmul', 'int8-channels');
  assert.notDeepEqual(
    lower(program, 'cpu', { storage: 'signed' }).bytes,
    lower(program, 'cpu', { storage: 'unsigned' }).bytes,
  );
});

it('a program names the format that the state keeps', async () => {
  const engine = await engines[0]!.open();
  const quantized = new Map([['w', 'int4-blocks' as const]]);
  const state = await engine.createState(new Map([['w', matrix]]), { frozen: true, quantized });
  const x = f32([1, 96], new Float32Array(96));
  const compiled = (format?: WeightFormat) => engine.compile(product(x, 'matmul', format));
  await assert.rejects((await compiled('int8-blocks')).run({ x }, state), /state w is not kept as int8-blocks/);
  await assert.rejects((await compiled()).run({ x }, state), /there is no state named w/);
  await assert.rejects(
    engine.compile(defineProgram('sum', { outputs: { y: p.add(p.state('w', [1, 32], 'int8-blocks'), 1) } })),
    /a quantized matrix \(w\) can only be multiplied with one that is not/,
  );
  await engine.dispose();
});
