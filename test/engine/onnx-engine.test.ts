import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { input, scatterAdd } from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { f32, i32 } from '../graph/run-program.ts';

describe('onnx engine', () => {
  for (const rows of [64, 1000]) {
    it(`keeps every sum of ${rows} rows on several threads`, async () => {
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
});
