/**
 * The lowered programs of all ONNX Runtime providers are equivalent: run by the CPU kernels, every primitive and its
 * gradient match the reference. Whether a provider's own kernels are correct is checked by its self-test.
 */

import { describe, it } from 'node:test';
import * as ort from 'onnxruntime-node';
import { feedName, lower, outputName } from '../../src/engine/onnx/lowering.ts';
import { total } from '../../src/graph/compositions.ts';
import { gradients } from '../../src/graph/differentiate.ts';
import { input, mul, scatterAdd } from '../../src/graph/primitives.ts';
import { defineProgram } from '../../src/graph/program.ts';
import type { HostTensor, Tensor } from '../../src/graph/tensor.ts';
import { cases } from '../graph/primitive-cases.ts';
import { evaluate } from '../graph/reference.ts';
import { assertClose, f32, i32 } from '../graph/run-program.ts';

interface Sample {
  readonly name: string;
  readonly feeds: Readonly<Record<string, HostTensor>>;
  readonly results: readonly Tensor[];
}

const kindOf = (data: HostTensor['data']) => (data instanceof Int32Array ? 'i32' : 'f32');

/** Each case has its own inputs, so that all of them can be one program. */
const samples: Sample[] = Object.entries(cases).flatMap(([primitive, list]) =>
  list.map(({ about, operands, build }) => {
    const name = `${primitive}: ${about}`;
    const leaves = operands.map(({ shape, data }, index) => input(`${name} ${index}`, shape, kindOf(data)));
    const value = build(...leaves);
    const slopes = gradients(
      total(mul(value, value)),
      leaves.filter(({ dtype }) => dtype === 'f32'),
    );
    const feeds = Object.fromEntries(operands.map((operand, index) => [`${name} ${index}`, operand]));
    return { name, feeds, results: [value, ...slopes] };
  }),
);
const rows = 1000;
samples.push({
  name: 'scatterAdd: many rows',
  feeds: { positions: i32([3], [999, 7, 999]), updates: f32([3, 2], [1, 2, 3, 4, 5, 6]) },
  results: [scatterAdd(input('positions', [3], 'i32'), input('updates', [3, 2]), rows)],
});

describe('lowering', () => {
  for (const provider of ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'] as const) {
    it(`for ${provider}`, async () => {
      const outputs = Object.fromEntries(
        samples.flatMap(({ name, results }) => results.map((result, index) => [`${name} ${index}`, result])),
      );
      const program = defineProgram('cases', { outputs });
      const session = await ort.InferenceSession.create(lower(program, provider).bytes, {
        executionProviders: ['cpu'],
      });
      const inputs: Record<string, ort.Tensor> = {};
      for (const { feeds } of samples)
        for (const [name, { data, shape }] of Object.entries(feeds))
          if (program.inputs.has(name))
            inputs[feedName(name)] =
              data instanceof Int32Array
                ? new ort.Tensor('int32', data, shape)
                : new ort.Tensor('float32', data, shape);
      const found = await session.run(inputs);
      for (const { name, feeds, results } of samples) {
        for (const [index, expected] of evaluate(results, feeds).entries()) {
          const { dims, data } = found[outputName(`${name} ${index}`)]!;
          assertClose(
            { shape: dims, data: data as Float32Array },
            { ...expected, shape: results[index]!.shape },
            name,
            1e-4,
          );
        }
      }
      await session.release();
    });
  }
});
