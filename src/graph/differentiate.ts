import { add, constant, primitives } from './primitives.ts';
import { sizeOf, type Tensor } from './tensor.ts';

/** The nodes that `roots` depend on, each after its inputs. */
export function topologicalOrder(roots: Iterable<Tensor>): Tensor[] {
  const order: Tensor[] = [];
  const seen = new Set<Tensor>();
  const stack = [...roots].reverse();
  while (stack.length > 0) {
    const node = stack.at(-1) as Tensor;
    const waiting = seen.has(node) ? [] : node.inputs.filter((operand) => !seen.has(operand));
    if (waiting.length > 0) {
      for (const operand of waiting.reverse()) stack.push(operand);
      continue;
    }
    stack.pop();
    if (!seen.has(node)) {
      seen.add(node);
      order.push(node);
    }
  }
  return order;
}

/**
 * Reverse-mode differentiation on the program itself. Returns the gradients of a scalar with respect to `targets`, as
 * nodes that an engine computes like any other. A target that the scalar does not depend on has a gradient of zeros.
 */
export function gradients(scalar: Tensor, targets: readonly Tensor[]): Tensor[] {
  if (sizeOf(scalar.shape) !== 1) throw new Error(`only a scalar can be differentiated, not [${scalar.shape}]`);
  const order = topologicalOrder([scalar]);
  const active = new Set<Tensor>(targets);
  for (const node of order) if (node.inputs.some((operand) => active.has(operand))) active.add(node);

  const gradientOf = new Map<Tensor, Tensor>([[scalar, constant({ shape: scalar.shape, data: Float32Array.of(1) })]]);
  for (const node of order.reverse()) {
    const g = gradientOf.get(node);
    if (!g || !active.has(node)) continue;
    const flowing = (primitives[node.primitive].gradient as (n: Tensor, g: Tensor) => readonly (Tensor | null)[])(
      node,
      g,
    );
    node.inputs.forEach((operand, index) => {
      const part = flowing[index];
      if (!part || !active.has(operand)) return;
      const sum = gradientOf.get(operand);
      gradientOf.set(operand, sum ? add(sum, part) : part);
    });
  }
  return targets.map(
    (target) =>
      gradientOf.get(target) ?? constant({ shape: target.shape, data: new Float32Array(sizeOf(target.shape)) }),
  );
}
