import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkFeeds } from '../../src/engine/engine.ts';
import * as p from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import { f32, i32 } from './run-program.ts';

describe('program', () => {
  it('lists every node once, after its inputs', () => {
    const x = p.input('x', [2]);
    const twice = p.add(x, x);
    const { nodes } = defineProgram('test', { outputs: { a: p.mul(twice, twice), b: twice } });
    assert.equal(new Set(nodes).size, nodes.length);
    assert.equal(nodes.length, 3);
    for (const node of nodes)
      for (const operand of node.inputs) assert.ok(nodes.indexOf(operand) < nodes.indexOf(node));
  });

  it('supports a chain of ten thousand nodes', () => {
    let x: ReturnType<typeof p.add> = p.input('x', []);
    for (let count = 0; count < 10_000; count++) x = p.add(x, 1);
    assert.equal(defineProgram('test', { outputs: { x } }).nodes.length, 20_001);
  });

  it('rejects two leaves with the same name', () => {
    const outputs = { y: p.add(p.input('x', [2]), p.input('x', [2])) };
    assert.throws(() => defineProgram('test', { outputs }), /test: two different leaves are named x/);
    const kept = { y: p.add(p.state('x', []), p.state('x', [])) };
    assert.throws(() => defineProgram('test', { outputs: kept }), /two different leaves/);
  });

  it('allows an input and a state of the same name', () => {
    const program = defineProgram('test', { outputs: { y: p.add(p.input('x', [2]), p.state('x', [2])) } });
    assert.deepEqual([[...program.inputs.keys()], [...program.state.keys()]], [['x'], ['x']]);
  });

  it('rejects an update that changes shape or dtype', () => {
    const x = p.state('x', [2, 3]);
    const update = (next: ReturnType<typeof p.add>) => () =>
      defineProgram('test', { outputs: { x }, updates: new Map([['x', next]]) });
    assert.throws(update(p.reduceSum(x, [0])), /test: the update of x is f32\[1,3\], but the state is f32\[2,3\]/);
    assert.throws(update(p.cast(x, 'i32')), /is i32\[2,3\], but the state is f32\[2,3\]/);
  });

  it('rejects a bool output', () => {
    assert.throws(
      () => defineProgram('test', { outputs: { y: p.less(p.input('x', []), 0) } }),
      /test: output y is bool/,
    );
  });

  it('rejects feeds that do not fit', () => {
    const program = defineProgram('test', { outputs: { y: p.gather(p.input('x', [2]), p.input('i', [1], 'i32')) } });
    const good = { x: f32([2], [1, 2]), i: i32([1], [0]) };
    checkFeeds(program, good);
    assert.throws(() => checkFeeds(program, { x: good.x }), /input i is missing/);
    assert.throws(() => checkFeeds(program, { ...good, z: good.x }), /no input named z/);
    assert.throws(
      () => checkFeeds(program, { ...good, i: f32([1], [0]) }),
      /input i is f32\[1\], but must be i32\[1\]/,
    );
    assert.throws(
      () => checkFeeds(program, { ...good, x: f32([1], [0]) }),
      /input x is f32\[1\], but must be f32\[2\]/,
    );
    assert.throws(
      () => checkFeeds(program, { ...good, x: { shape: [2], data: Float32Array.of(1) } }),
      /x has 1 values/,
    );
  });
});

describe('shape rules', () => {
  const x = p.input('x', [2, 3]);
  const i = p.input('i', [2], 'i32');
  const misfits: [string, () => unknown, RegExp][] = [
    ['add', () => p.add(x, p.input('y', [2])), /shapes \[2,3\] and \[2\] do not broadcast/],
    ['mixed kinds', () => p.add(i, p.input('y', [2])), /different dtypes/],
    ['matmul', () => p.matmul(x, x), /matmul\(f32\[2,3\], f32\[2,3\]\): inner extents differ/],
    ['matmul ranks', () => p.matmul(x, p.input('y', [1, 3, 2])), /same number of axes/],
    ['matmul batch', () => p.matmul(p.input('a', [2, 1, 1]), p.input('b', [3, 1, 1])), /leading axes differ/],
    ['matmul kinds', () => p.matmul(p.cast(x, 'i32'), x), /f32/],
    ['reshape', () => p.reshape(x, [4]), /cannot be reshaped to \[4\]/],
    ['reshape rest', () => p.reshape(x, [4, -1]), /cannot be reshaped to \[4,1.5\]/],
    ['transpose', () => p.transpose(x, [1, 1]), /not a permutation/],
    ['transpose, an axis short', () => p.transpose(x, [0]), /not a permutation/],
    ['broadcast', () => p.broadcast(x, [3, 3]), /broadcast/],
    ['slice', () => p.slice(x, 1, 2, 5), /the range \[2, 5\) is empty or out of bounds/],
    ['slice of nothing', () => p.slice(x, 1, 2, 2), /the range \[2, 2\) is empty/],
    ['slice axis', () => p.slice(x, 2, 0, 1), /no axis 2/],
    ['pad', () => p.pad(x, 0, -1, 0), /negative/],
    ['concat', () => p.concat([x, p.input('y', [3, 2])], 0), /differ along other axes/],
    ['reduceSum', () => p.reduceSum(x, [2]), /no axis 2/],
    ['softmax', () => p.softmax(p.input('s', [])), /axis/],
    ['rmsNorm', () => p.rmsNorm(x, p.input('g', [2]), 1e-6), /the gain must be \[3\]/],
    ['gather', () => p.gather(x, p.input('f', [2])), /indices must be i32/],
    ['gather from a scalar', () => p.gather(p.input('s', []), i), /axis/],
    ['scatterAdd', () => p.scatterAdd(i, p.input('u', [3, 2]), 4), /the leading axes of the updates/],
    ['pick', () => p.pick(x, p.input('j', [3], 'i32')), /the leading axes of the operand/],
    ['oneHot', () => p.oneHot(x, 3), /i32/],
    ['rotate', () => p.rotate(x, p.input('c', [2, 2]), p.input('s', [2, 2])), /tables must be \[2,1.5\]/],
    ['where', () => p.where(x, x, x), /condition must be bool/],
    ['constant', () => p.constant({ shape: [3], data: Float32Array.of(1) }), /do not fill/],
  ];
  for (const [name, build, message] of misfits)
    it(`${name} reports what does not fit`, () => assert.throws(build, message));
});
