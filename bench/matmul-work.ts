import type { Engine } from '../src/engine/engine.ts';
import { matmul, reduceMax, state } from '../src/graph/primitives.ts';
import { defineProgram } from '../src/graph/program.ts';
import type { Tensor } from '../src/graph/tensor.ts';

/** Size of the square matrices, and number of consecutive products. Operands stay on the device. */
export const matmulWork = { size: 1024, inARow: 8 } as const;

/** Prepares consecutive multiplications by a matrix; the result is the largest element of the product. */
export async function prepareMatmul(engine: Engine) {
  const { size, inARow } = matmulWork;
  const shape = [size, size];
  const factor = state('factor', shape);
  let product: Tensor = factor;
  for (let count = 0; count < inARow; count++) product = matmul(product, factor);
  const executable = await engine.compile(defineProgram('products', { outputs: { peak: reduceMax(product, [0, 1]) } }));
  // The rows have norm 1 and are nearly orthogonal, so that the values do not grow.
  const data = Float32Array.from(
    { length: size ** 2 },
    (_, index) => Math.sin(0.37 * index ** 2) * Math.sqrt(2 / size),
  );
  const held = await engine.createState(new Map([['factor', { shape, data }]]));
  return {
    multiply: async () => (await executable.run({}, held)).peak!.data[0] as number,
    dispose: async () => {
      await executable.dispose();
      await held.dispose();
    },
  };
}
