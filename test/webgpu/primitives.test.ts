/** WebGPU in ONNX Runtime, on machines with an adapter: a GPU or a software adapter such as Mesa's lavapipe. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import * as ort from 'onnxruntime-node';
import { lower } from '../../src/engine/onnx/lowering.ts';
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import * as p from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { checkModelStep } from '../engine/model-step.ts';
import { cases, checkPrimitives } from '../graph/primitive-cases.ts';
import { f32, i32 } from '../graph/run-program.ts';
import { openWebgpu, reasonToSkip } from './adapter.ts';

const reason = await reasonToSkip();

if (reason !== null) it('webgpu', { skip: reason }, () => undefined);
else {
  checkPrimitives('onnx webgpu', openWebgpu);
  checkModelStep('onnx webgpu', openWebgpu);

  describe('onnx webgpu', () => {
    const engine = new OnnxEngine('webgpu');
    after(() => engine.dispose());

    it('has a kernel for every primitive', async () => {
      // ONNX Runtime gives the positions of the largest values as 64-bit integers, and WebGPU cannot convert those. Only the
      // programs with dynamic shapes use them, and those run on the processor.
      const onProcessor = ['topIndices'];
      for (const [primitive, list] of Object.entries(cases)) {
        if (onProcessor.includes(primitive)) continue;
        for (const { about, operands, build } of list) {
          const leaves = operands.map(({ shape, data }, index) =>
            p.input(`x${index}`, shape, data instanceof Int32Array ? 'i32' : 'f32'),
          );
          const { bytes } = lower(defineProgram('test', { outputs: { value: build(...leaves) } }), 'webgpu');
          const options = {
            executionProviders: ['webgpu'],
            extra: { session: { disable_cpu_ep_fallback: '1' } },
            logSeverityLevel: 3,
          } as const;
          const session = await ort.InferenceSession.create(bytes, options).catch((error) => {
            throw new Error(`${primitive}: ${about}: ${error.message}`);
          });
          await session.release();
        }
      }
    });

    it('keeps state on the device, and reads and writes it', async () => {
      const x = p.state('x', [2, 2]);
      const executable = await engine.compile(
        defineProgram('test', { outputs: { x }, updates: new Map([['x', p.mul(x, 2)]]) }),
      );
      const state = await engine.createState(new Map([['x', f32([2, 2], [1, 2, 3, 4])]]));
      await executable.run({}, state);
      assert.deepEqual([...(await executable.run({}, state)).x!.data], [2, 4, 6, 8]);
      assert.deepEqual(await state.read('x'), f32([2, 2], [4, 8, 12, 16]));
      await state.write('x', f32([2, 2], [5, 5, 5, 5]));
      assert.deepEqual([...(await executable.run({}, state)).x!.data], [5, 5, 5, 5]);
      await assert.rejects(state.write('x', f32([4], [5, 5, 5, 5])), /state x is \[2,2\], not \[4\]/);
      await state.dispose();
      await executable.dispose();
    });

    it('recreates state that a program wrote if it is no longer there', async () => {
      const x = p.state('x', [64]);
      const doubling = () =>
        engine.compile(defineProgram('doubling', { outputs: {}, updates: new Map([['x', p.mul(x, 2)]]) }));
      const state = await engine.createState(new Map([['x', f32([64], new Float32Array(64).fill(1))]]));
      for (let program = 0; program < 3; program++) {
        const executable = await doubling();
        await executable.run({}, state);
        await executable.run({}, state);
        await executable.dispose();
      }
      assert.deepEqual((await state.read('x')).data, new Float32Array(64).fill(64));
      await state.dispose();
    });

    it('includes every element in sums with a repeated index', async () => {
      const [count, width, rows] = [3000, 32, 7];
      const sums = p.scatterAdd(p.input('rows', [count], 'i32'), p.input('updates', [count, width]), rows);
      const executable = await engine.compile(defineProgram('test', { outputs: { sums } }));
      const state = await engine.createState(new Map());
      const positions = Array.from({ length: count }, (_, index) => index % rows);
      const feeds = {
        rows: i32([count], positions),
        updates: f32([count, width], new Float32Array(count * width).fill(1)),
      };
      const { data } = (await executable.run(feeds, state)).sums!;
      const expected = Array.from(
        { length: rows },
        (_, row) => positions.filter((position) => position === row).length,
      );
      assert.deepEqual(
        [...data],
        expected.flatMap((total) => Array(width).fill(total)),
      );
      await executable.dispose();
    });
  });
}
