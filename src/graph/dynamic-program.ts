import { defineProgram, type Program, type ProgramParts } from './program.ts';
import type { Shape, Tensor } from './tensor.ts';

/** An extent that depends on named dimensions: `constant` plus the sum of each dimension times its factor. */
export interface LinearExtent {
  readonly constant: number;
  /** Only the dimensions on which the extent depends. */
  readonly factors: ReadonlyMap<string, number>;
}

/**
 * A program for inference that runs at any extents of its named dimensions, so that one compiled program serves all lengths. It
 * has no updates, and it is never differentiated: programs for training have static shapes.
 */
export interface DynamicProgram extends Program {
  /** The shapes that depend on a dimension; all other nodes have the static shape that they name. */
  readonly symbolic: ReadonlyMap<Tensor, readonly LinearExtent[]>;
}

export const isDynamic = (program: Program): program is DynamicProgram => 'symbolic' in program;

/** Example extents: primes that are no usual extents, because an extent that equals another one by chance would mislead. */
const examples = [101, 103, 107, 109, 113];

type Extents<D extends string> = Readonly<Record<D, number>>;

/**
 * Defines a program for any extents of its dimensions. `build` is called with several example extents. Each time the shape rules
 * of the primitives check the result, and all results must be equal except for extents that are linear in the dimensions.
 * Throws if they differ otherwise, for example in the data of a constant.
 */
export function defineDynamicProgram<const D extends string>(
  name: string,
  dimensions: readonly D[],
  build: (extents: Extents<D>) => Pick<ProgramParts, 'outputs'>,
): DynamicProgram {
  const example = Object.fromEntries(dimensions.map((one, index) => [one, examples[index]])) as Extents<D>;
  const built = (extents: Extents<D>): Program => defineProgram(name, build(extents));
  const program = built(example);
  const grown = new Map(dimensions.map((one) => [one, built({ ...example, [one]: example[one] + 1 })]));
  const check = Object.fromEntries(dimensions.map((one, index) => [one, 3 * example[one] + index])) as Extents<D>;
  const checked = built(check);
  for (const other of [...grown.values(), checked]) assertSameNodes(program, other);
  const symbolic = new Map<Tensor, readonly LinearExtent[]>();
  program.nodes.forEach((node, index) => {
    const extents = node.shape.map((extent, axis): LinearExtent => {
      const factors = new Map<string, number>();
      for (const [dimension, { nodes }] of grown) {
        const factor = (nodes[index]!.shape[axis] as number) - extent;
        if (factor !== 0) factors.set(dimension, factor);
      }
      const linear = { constant: extent - extentAt({ constant: 0, factors }, example), factors };
      if (extentAt(linear, check) !== checked.nodes[index]!.shape[axis])
        throw new Error(`${name}: an extent of ${node.primitive} [${node.shape}] is not linear in ${dimensions}`);
      return linear;
    });
    if (extents.some(({ factors }) => factors.size > 0)) symbolic.set(node, extents);
  });
  return { ...program, symbolic };
}

/** The extent at these values of the dimensions. */
export function extentAt({ constant, factors }: LinearExtent, values: Readonly<Record<string, number>>): number {
  let sum = constant;
  for (const [dimension, factor] of factors) sum += factor * (values[dimension] as number);
  return sum;
}

/**
 * The values of the dimensions, from the shapes of a run's inputs. Throws if two inputs contradict each other, or if an input
 * does not fit.
 */
export function dimensionsOf(program: DynamicProgram, shapes: ReadonlyMap<string, Shape>): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [name, node] of program.inputs)
    program.symbolic.get(node)?.forEach(({ constant, factors }, axis) => {
      const [[dimension, factor] = ['', 0], another] = factors;
      if (factor === 1 && constant === 0 && !another) values[dimension] ??= shapes.get(name)?.[axis] ?? 0;
    });
  return values;
}

/** The shape of a node at these values of the dimensions. */
export function shapeAt(program: DynamicProgram, node: Tensor, values: Readonly<Record<string, number>>): Shape {
  return program.symbolic.get(node)?.map((extent) => extentAt(extent, values)) ?? node.shape;
}

function assertSameNodes(program: Program, other: Program): void {
  const places = (nodes: readonly Tensor[]) => new Map(nodes.map((node, index) => [node, index]));
  const [left, right] = [places(program.nodes), places(other.nodes)];
  const same =
    program.nodes.length === other.nodes.length &&
    program.nodes.every((a, index) => {
      const b = other.nodes[index] as Tensor;
      return (
        a.primitive === b.primitive &&
        a.shape.length === b.shape.length &&
        a.inputs.every((one, operand) => left.get(one) === right.get(b.inputs[operand] as Tensor)) &&
        sameAttributes(attributesOf(a), attributesOf(b))
      );
    });
  if (!same) throw new Error(`${program.name}: the program itself depends on a dimension, not only its extents`);
}

/** A node's attributes without those that the shape of its result determines. */
function attributesOf({ primitive, attributes }: Tensor): object {
  if (primitive === 'reshape' || primitive === 'broadcast') return {};
  if (primitive !== 'slice') return attributes;
  const { end, ...others } = attributes as Tensor<'slice'>['attributes'];
  return others;
}

function sameAttributes(a: object, b: object): boolean {
  const [left, right] = [Object.entries(a), b as Record<string, unknown>];
  return left.every(([name, value]) => {
    const other = right[name];
    if (value === other) return true;
    if (typeof value !== 'object' || value === null || typeof other !== 'object' || other === null) return false;
    const [one, two] = [value as ArrayLike<unknown>, other as ArrayLike<unknown>];
    return one.length === two.length && Array.prototype.every.call(one, (item, index) => item === two[index]);
  });
}
