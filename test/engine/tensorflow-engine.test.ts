import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { TensorflowEngine } from '../../src/engine/tensorflow/tensorflow-engine.ts';
import * as p from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { f32, i32 } from '../graph/run-program.ts';

/** Runs a module's text from source in a new process. */
const inProcess = (script: string) =>
  promisify(execFile)(process.execPath, ['--import', import.meta.resolve('tsx'), '--input-type=module', '-e', script], {
    cwd: import.meta.dirname,
  });

describe('tensorflow engine', () => {
  for (const device of ['wasm', 'cpu'] as const) {
    it(`on ${device} leaves no tensors except its state`, async () => {
      const engine = await TensorflowEngine.open(device);
      const { tf } = engine;
      const before = tf.memory().numTensors;
      const [x, i] = [p.state('x', [2, 4, 4]), p.input('i', [2], 'i32')];
      const rows = p.gather(p.reshape(p.matmul(x, x, { transposeA: true }), [8, 4]), i);
      const outputs = { y: p.logSoftmax(rows), z: p.oneHot(i, 3), x, i, seven: p.scalar(7) };
      const executable = await engine.compile(
        defineProgram('test', { outputs, updates: new Map([['x', p.mul(x, 0.5)]]) }),
      );
      const state = await engine.createState(new Map([['x', f32([2, 4, 4], Array(32).fill(1))]]));
      const held = tf.memory().numTensors;
      const first = await executable.run({ i: i32([2], [0, 5]) }, state);
      await executable.run({ i: i32([2], [7, 7]) }, state);
      assert.equal(tf.memory().numTensors, held);
      assert.deepEqual([...first.x!.data.slice(0, 2)], [1, 1], 'an old result must not change');
      assert.equal((await state.read('x')).data[0], 0.25);
      await executable.dispose();
      await state.dispose();
      assert.equal(tf.memory().numTensors, before);
    });

    it(`on ${device} frees the tensors of a failed run`, async () => {
      const engine = await TensorflowEngine.open(device);
      const [table, i] = [p.input('table', [2, 2]), p.input('i', [1], 'i32')];
      const executable = await engine.compile(defineProgram('test', { outputs: { y: p.gather(p.mul(table, 2), i) } }));
      const state = await engine.createState(new Map());
      const before = engine.tf.memory().numTensors;
      const outside = { table: f32([2, 2], [1, 2, 3, 4]), i: i32([1], [9]) };
      await assert.rejects(executable.run({ table: outside.table }, state), /input i is missing/);
      await executable.run(outside, state).catch(() => undefined);
      assert.equal(engine.tf.memory().numTensors, before);
      await executable.dispose();
    });
  }

  it('computes each program on its own backend', async () => {
    const [wasm, cpu] = [await TensorflowEngine.open('wasm'), await TensorflowEngine.open('cpu')];
    const program = defineProgram('test', { outputs: { y: p.neg(p.input('x', [1])) } });
    const executables = [await wasm.compile(program), await cpu.compile(program)];
    const states = [await wasm.createState(new Map()), await cpu.createState(new Map())];
    const run = (which: number) => executables[which]!.run({ x: f32([1], [which]) }, states[which]!);
    const results = await Promise.all([run(0), run(1), run(0), run(1)]);
    assert.deepEqual(
      results.map(({ y }) => y!.data[0]),
      [-0, -1, -0, -1],
    );
    await assert.rejects(executables[0]!.run({ x: f32([1], [0]) }, states[1]!), /this state belongs to another engine/);
  });

  it('reports why the native library is missing', async () => {
    const failure = await TensorflowEngine.open('node').then(
      () => '',
      (error: Error) => error.message,
    );
    assert.match(failure, /^(@tensorflow\/tfjs-node (is not installed|is installed without its native part.*))?$/);
  });

  it('prints nothing', async () => {
    const script = `const { TensorflowEngine } = await import('../../src/engine/tensorflow/tensorflow-engine.ts');
      const { scalar } = await import('../../src/graph/primitives.ts');
      const { defineProgram } = await import('../../src/graph/program.ts');
      for (const device of ['wasm', 'cpu']) {
        const engine = await TensorflowEngine.open(device);
        const executable = await engine.compile(defineProgram('test', { outputs: { y: scalar(1) } }));
        await executable.run({}, await engine.createState(new Map()));
      }`;
    assert.deepEqual(await inProcess(script), { stdout: '', stderr: '' });
  });

  it('is loaded on demand only', async () => {
    const script = `import { createRequire } from 'node:module';
      const { chooseEngine } = await import('../../src/engine/devices.ts');
      await chooseEngine({ engine: 'onnx', device: 'cpu' });
      console.log(Object.keys(createRequire(import.meta.url).cache).filter((file) => file.includes('@tensorflow')).length);`;
    assert.equal((await inProcess(script)).stdout, '0\n');
  });
});
