import assert from 'node:assert/strict';
import type { Engine } from '../../src/engine/engine.ts';
import { defineProgram, type ProgramParts } from '../../src/graph/program.ts';
import type { HostTensor } from '../../src/graph/tensor.ts';
import type { Random } from '../../src/platform/random.ts';
import type { Values } from './reference.ts';

export const f32 = (shape: readonly number[], data: ArrayLike<number>): HostTensor => ({
  shape,
  data: Float32Array.from(data),
});
export const i32 = (shape: readonly number[], data: ArrayLike<number>): HostTensor => ({
  shape,
  data: Int32Array.from(data),
});

export function normals(random: Random, shape: readonly number[], scale = 1): HostTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  return f32(
    shape,
    Array.from({ length: count }, () => scale * random.normal()),
  );
}

export interface Ran {
  readonly outputs: Readonly<Record<string, HostTensor>>;
  readonly state: Readonly<Record<string, HostTensor>>;
}

/** Compiles a program, runs it `times` times on the same feeds, and returns the last outputs and the final state. */
export async function runProgram(
  engine: Engine,
  parts: ProgramParts,
  feeds: Readonly<Record<string, HostTensor>>,
  { state: initial = {}, times = 1 }: { state?: Readonly<Record<string, HostTensor>>; times?: number } = {},
): Promise<Ran> {
  const executable = await engine.compile(defineProgram('test', parts));
  const state = await engine.createState(new Map(Object.entries(initial)));
  try {
    let outputs: Record<string, HostTensor> = {};
    for (let time = 0; time < times; time++) outputs = await executable.run(feeds, state);
    const after: Record<string, HostTensor> = {};
    for (const name of Object.keys(initial)) after[name] = await state.read(name);
    return { outputs, state: after };
  } finally {
    await executable.dispose();
    await state.dispose();
  }
}

/**
 * Asserts that the shapes are equal and that every element is within `tolerance`, relative to the larger of 1 and the
 * expected value.
 */
export function assertClose(actual: Values, expected: Values, what: string, tolerance = 2e-5): void {
  assert.deepEqual([...actual.shape], [...expected.shape], `${what}: shape`);
  assert.equal(actual.data.length, expected.data.length, `${what}: number of elements`);
  for (let position = 0; position < expected.data.length; position++) {
    const [found, wanted] = [actual.data[position] as number, expected.data[position] as number];
    const close = found === wanted || Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted));
    assert.ok(close, `${what}: element ${position} of [${expected.shape}] is ${found}, expected ${wanted}`);
  }
}
