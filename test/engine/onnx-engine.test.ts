import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { add, input, matmul, mul, reduceSum, scatterAdd, topIndices, topValues } from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { Random } from '../../src/platform/random.ts';
import { f32, i32 } from '../graph/run-program.ts';

/** Bytes by which a process grows when it runs products of many shapes. */
async function keptBy(engine: OnnxEngine): Promise<number> {
  const before = process.memoryUsage().rss;
  const state = await engine.createState(new Map());
  for (let size = 1; size <= 8; size++) {
    const rows = 2048 + 16 * size;
    const x = input('x', [rows, 1]);
    const wide = matmul(x, x, { transposeB: true });
    const sum = reduceSum(mul(add(wide, 1), wide), [0]);
    const executable = await engine.compile(defineProgram('products', { outputs: { sum } }));
    const { sum: found } = await executable.run({ x: f32([rows, 1], new Float32Array(rows).fill(1)) }, state);
    assert.equal(found!.data[0], 2 * rows);
  }
  return process.memoryUsage().rss - before;
}

describe('onnx engine', () => {
  it('keeps no more memory between runs than its limit', async () => {
    const few = await keptBy(new OnnxEngine('cpu', 1, undefined, 0));
    const all = await keptBy(new OnnxEngine('cpu', 1));
    assert.ok(few < all / 2, `${few} bytes, and ${all} where all is kept`);
  });

  for (const rows of [64, 1000]) {
    it(`includes every element in sums of ${rows} rows on several threads`, async () => {
      const [count, width] = [8000, 256];
      const engine = new OnnxEngine('cpu', 4);
      const sums = scatterAdd(input('rows', [count], 'i32'), input('updates', [count, width]), rows);
      const executable = await engine.compile(defineProgram('sums', { outputs: { sums } }));
      const state = await engine.createState(new Map());
      const feeds = {
        rows: i32(
          [count],
          Array.from({ length: count }, (_, index) => index % rows),
        ),
        updates: f32([count, width], new Float32Array(count * width).fill(1)),
      };
      for (let time = 0; time < 3; time++) {
        const { data } = (await executable.run(feeds, state)).sums!;
        assert.deepEqual(new Set(data), new Set([count / rows]));
      }
      await executable.dispose();
    });
  }

  it('finds the largest values of long rows, and takes the first of equal ones', async () => {
    const random = new Random(5, 'long rows');
    const [rows, width, count] = [3, 8192, 8];
    const x = input('x', [rows, width]);
    const engine = new OnnxEngine('cpu', 1);
    const program = await engine.compile(
      defineProgram('long rows', { outputs: { values: topValues(x, count), indices: topIndices(x, count) } }),
    );
    const state = await engine.createState(new Map());
    const samples: Record<string, () => number> = {
      distinct: () => random.uniform(),
      'many equal': () => random.integer(4),
      'all equal': () => 1,
      'hardly any finite': () => (random.uniform() < 0.0002 ? random.uniform() : Number.NEGATIVE_INFINITY),
    };
    for (const [name, draw] of Object.entries(samples)) {
      const data = Float32Array.from({ length: rows * width }, draw);
      const { values, indices } = await program.run({ x: { shape: [rows, width], data } }, state);
      const expected = Array.from({ length: rows }, (_, row) => {
        const own = data.subarray(row * width, (row + 1) * width);
        return [...own.keys()].sort((a, b) => own[b]! - own[a]! || a - b).slice(0, count);
      });
      assert.deepEqual([...indices!.data], expected.flat(), name);
      assert.deepEqual(
        [...values!.data],
        expected.flatMap((row, index) => row.map((column) => data[index * width + column])),
        name,
      );
    }
    await program.dispose();
    await state.dispose();
  });
});
