/**
 * Makes ONNX Runtime round as another processor might. Load it before a test file:
 *
 *     UNMASK_ROUNDING=1 node --import tsx --import ./test/rounding/other-rounding.ts --test test/tuning/methods.test.ts
 *
 * Processors sum the terms of a matrix product in different orders, and on some of them the order depends on the shapes:
 * a batch of one row rounds differently from a batch of five. So each matrix product of a program is multiplied, column
 * by column, by 1 + e, where |e| <= 1e-6 follows from the seed in `UNMASK_ROUNDING` and from the shapes of the operands.
 * This equals nudging the columns of every weight matrix by at most 1e-6, differently for each batch size and length.
 * Products of the same shapes round the same way each time, as they do on a real processor, so a resumed run still has
 * to repeat its trajectory bit by bit.
 *
 * The nudge is about ten times what real rounding does to a tiny model. A test that fails under it compares something
 * that rounding can change.
 */
import { OnnxEngine } from '../../src/engine/onnx/onnx-engine.ts';
import { constant, mul } from '../../src/graph/primitives.ts';
import type { Program } from '../../src/graph/program.ts';
import type { Tensor } from '../../src/graph/tensor.ts';
import { Random } from '../../src/platform/random.ts';

/** The largest relative change of an element of a product. */
const nudge = 1e-6;

/** The program with every matrix product nudged; leaves, names and shapes stay. */
function nudged(program: Program, seed: number): Program {
  const nodes: Tensor[] = [];
  const nudgedBy = new Map<Tensor, Tensor>();
  const keep = <T extends Tensor>(node: T): T => {
    nodes.push(node);
    return node;
  };
  for (const node of program.nodes) {
    const inputs = node.inputs.map((operand) => nudgedBy.get(operand) as Tensor);
    const copy = keep(inputs.every((operand, index) => operand === node.inputs[index]) ? node : { ...node, inputs });
    nudgedBy.set(
      node,
      node.primitive === 'matmul' ? keep(mul(copy, keep(factorsOf(node as Tensor<'matmul'>, seed)))) : copy,
    );
  }
  const replaced = (named: ReadonlyMap<string, Tensor>) =>
    new Map([...named].map(([name, node]) => [name, nudgedBy.get(node) as Tensor]));
  return { ...program, nodes, outputs: replaced(program.outputs), updates: replaced(program.updates) };
}

/** A factor near 1 for each column of the product. */
function factorsOf({ inputs: [a, b], attributes: { transposeA, transposeB }, shape }: Tensor<'matmul'>, seed: number) {
  const random = new Random(seed, `[${a!.shape}] ${transposeA} [${b!.shape}] ${transposeB}`);
  const columns = shape.at(-1) as number;
  const data = Float32Array.from({ length: columns }, () => 1 + nudge * (2 * random.uniform() - 1));
  return constant({ shape: [columns], data });
}

const seed = Number(process.env.UNMASK_ROUNDING);
if (!Number.isInteger(seed) || seed < 1)
  throw new Error('Set UNMASK_ROUNDING to a seed, 1 or more, before you load test/rounding/other-rounding.ts.');
const compile = OnnxEngine.prototype.compile;
OnnxEngine.prototype.compile = function (program) {
  return compile.call(this, nudged(program, seed));
};
