/** The contract of every engine about state and about the ownership of arrays. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import type { Engine } from '../../src/engine/engine.ts';
import * as p from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { engines } from '../graph/engines.ts';
import { f32, i32 } from '../graph/run-program.ts';

for (const { label, open } of engines) {
  describe(`contract of ${label}`, () => {
    let opened: Promise<Engine> | undefined;
    const engine = () => {
      opened ??= open();
      return opened;
    };
    after(async () => (await opened)?.dispose());

    it('copies its inputs and its results', async () => {
      const x = p.input('x', [2]);
      const program = defineProgram('test', { outputs: { x }, updates: new Map([['kept', x]]) });
      const executable = await (await engine()).compile(program);
      const input = f32([2], [1, 2]);
      const state = await (await engine()).createState(new Map([['kept', input]]));
      input.data[0] = 40;
      assert.deepEqual(await state.read('kept'), f32([2], [1, 2]));
      input.data[0] = 1;
      const { x: result } = await executable.run({ x: input }, state);
      input.data[0] = 50;
      result!.data[1] = 60;
      assert.deepEqual(await state.read('kept'), f32([2], [1, 2]));
      (await state.read('kept')).data[0] = 70;
      assert.deepEqual(await state.read('kept'), f32([2], [1, 2]));
      await executable.run({ x: f32([2], [8, 9]) }, state);
      assert.deepEqual([...result!.data], [1, 60], 'a new run must not change an old result');
      await executable.dispose();
    });

    it('takes the tensors of a source one at a time, in its order', async () => {
      const requested: string[] = [];
      const shapes = new Map<string, number[]>([
        ['first', [2]],
        ['second', []],
      ]);
      const read = async (name: string) => {
        requested.push(name);
        return f32(shapes.get(name)!, name === 'first' ? [1, 2] : [3]);
      };
      const state = await (await engine()).createState({ shapes, read });
      assert.deepEqual(requested, ['first', 'second']);
      assert.deepEqual(state.shapes, shapes);
      assert.deepEqual(await state.read('first'), f32([2], [1, 2]));
      assert.deepEqual(await state.read('second'), f32([], [3]));
    });

    it('computes every update from the values before the run', async () => {
      const [a, b] = [p.state('a', []), p.state('b', [])];
      const program = defineProgram('test', {
        outputs: { sum: p.add(a, b) },
        updates: new Map([
          ['a', b],
          ['b', a],
        ]),
      });
      const executable = await (await engine()).compile(program);
      const state = await (await engine()).createState(
        new Map([
          ['a', f32([], [1])],
          ['b', f32([], [2])],
        ]),
      );
      for (let run = 0; run < 3; run++) assert.equal((await executable.run({}, state)).sum!.data[0], 3);
      assert.deepEqual([(await state.read('a')).data[0], (await state.read('b')).data[0]], [2, 1]);
      await state.write('a', f32([], [7]));
      await executable.run({}, state);
      assert.deepEqual([(await state.read('a')).data[0], (await state.read('b')).data[0]], [1, 7]);
      await executable.dispose();
      await state.dispose();
    });

    it('shares state between programs, one of which only writes', async () => {
      const x = p.state('x', [2]);
      const zero = await (await engine()).compile(
        defineProgram('zero', { outputs: {}, updates: new Map([['x', p.constant(f32([2], [0, 0]))]]) }),
      );
      const grow = await (await engine()).compile(
        defineProgram('grow', { outputs: {}, updates: new Map([['x', p.add(x, p.input('by', [2]))]]) }),
      );
      const state = await (await engine()).createState(new Map([['x', f32([2], [1, 2])]]));
      await grow.run({ by: f32([2], [1, 1]) }, state);
      assert.deepEqual([...(await state.read('x')).data], [2, 3]);
      await zero.run({}, state);
      await grow.run({ by: f32([2], [1, 5]) }, state);
      assert.deepEqual([...(await state.read('x')).data], [1, 5]);
      assert.deepEqual([...state.shapes], [['x', [2]]]);
    });

    it('reads the underlying state, which no program can change', async () => {
      const [w, x] = [p.state('w', [2]), p.state('x', [2])];
      const product = p.mul(w, x);
      const opened = await engine();
      const step = await opened.compile(
        defineProgram('step', { outputs: { product }, updates: new Map([['x', product]]) }),
      );
      const under = await opened.createState(new Map([['w', f32([2], [3, 4])]]), { frozen: true });
      const [one, other] = [
        await opened.createState(new Map([['x', f32([2], [1, 2])]]), { over: under }),
        await opened.createState(new Map([['x', f32([2], [5, 6])]]), { over: under }),
      ];
      assert.deepEqual([...one!.shapes.keys()].sort(), ['w', 'x']);
      for (let run = 0; run < 2; run++) await step.run({}, one!);
      assert.deepEqual([...(await one!.read('x')).data], [9, 32]);
      assert.deepEqual([...(await one!.read('w')).data], [3, 4]);
      assert.deepEqual([...(await step.run({}, other!)).product!.data], [15, 24]);
      const change = await opened.compile(
        defineProgram('change', { outputs: {}, updates: new Map([['w', p.constant(f32([2], [0, 0]))]]) }),
      );
      await assert.rejects(change.run({}, one!), /state w is frozen/);
      await assert.rejects(change.run({}, under), /state w is frozen/);
      await assert.rejects(one!.write('w', f32([2], [0, 0])), /state w is frozen/);
      await one!.dispose();
      assert.deepEqual(
        [...(await under.read('w')).data],
        [3, 4],
        'disposing of a state must not free the underlying one',
      );
      for (const program of [step, change]) await program.dispose();
    });

    it('returns integers as integers', async () => {
      const i = p.input('i', [2], 'i32');
      const executable = await (await engine()).compile(defineProgram('test', { outputs: { twice: p.add(i, i) } }));
      const { twice } = await executable.run({ i: i32([2], [3, -4]) }, await (await engine()).createState(new Map()));
      assert.deepEqual(twice, i32([2], [6, -8]));
    });

    it('rejects feeds and state that do not fit', async () => {
      const state = await (await engine()).createState(new Map([['x', f32([2], [1, 2])]]));
      await assert.rejects(state.write('x', f32([1], [1])), /state x is \[2\], not \[1\]/);
      await assert.rejects(state.read('y'), /there is no state named y/);
      const write = await (await engine()).compile(
        defineProgram('test', { outputs: {}, updates: new Map([['y', p.scalar(1)]]) }),
      );
      await assert.rejects(write.run({}, state), /there is no state named y/);
      await assert.rejects(write.run({ z: f32([], [1]) }, state), /test: there is no input named z/);
      const read = await (await engine()).compile(defineProgram('test', { outputs: { x: p.state('x', [3]) } }));
      await assert.rejects(read.run({}, state), /test: state x is \[2\], but must be \[3\]/);
      const foreign = { shapes: new Map(), read: state.read, write: state.write, dispose: state.dispose };
      await assert.rejects(read.run({}, foreign), /this state belongs to another engine/);
    });
  });
}
