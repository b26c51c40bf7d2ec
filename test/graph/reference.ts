/**
 * A plain interpreter of tensor programs in double precision: one loop over the positions of the result per
 * primitive, written from the primitive's definition and independent of the engines. It is slow, and it is the
 * reference for every engine.
 */
import { topologicalOrder } from '../../src/graph/differentiate.ts';
import type { Attributes, PrimitiveName, Tensor } from '../../src/graph/tensor.ts';

export interface Values {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

type Index = readonly number[];

function indicesOf(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (prefixes, extent) => prefixes.flatMap((prefix) => Array.from({ length: extent }, (_, i) => [...prefix, i])),
    [[]],
  );
}

const tabulate = (shape: readonly number[], value: (index: Index) => number): Values => ({
  shape,
  data: Float64Array.from(indicesOf(shape), value),
});

/** The element at `index`. The index may have more axes than `x`, and an extent of 1 is broadcast (NumPy's rule). */
function at({ shape, data }: Values, index: Index): number {
  const own = index.slice(index.length - shape.length);
  return data[own.reduce((offset, i, axis) => offset * shape[axis]! + (shape[axis] === 1 ? 0 : i), 0)] as number;
}

function broadcastShape(...shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const extents = shapes.map((shape) => shape[axis - rank + shape.length] ?? 1);
    return extents.find((extent) => extent !== 1) ?? 1;
  });
}

/** The index of the element of rank `index.at(-1)` among those of its row; of equal elements the first has the lower rank. */
function ranked(x: Values, index: Index): number[] {
  const row = index.slice(0, -1);
  const places = Array.from({ length: x.shape.at(-1)! }, (_, place) => place);
  places.sort((a, b) => at(x, [...row, b]) - at(x, [...row, a]) || a - b);
  return [...row, places[index.at(-1)!]!];
}

const elementwise =
  (f: (...x: number[]) => number) =>
  (inputs: readonly Values[]): Values =>
    tabulate(broadcastShape(...inputs.map(({ shape }) => shape)), (index) => f(...inputs.map((x) => at(x, index))));

const reduction =
  (fold: (values: number[]) => number) =>
  ([x]: readonly Values[], { axes }: { readonly axes: readonly number[] }): Values => {
    const inner = indicesOf(axes.map((axis) => x!.shape[axis]!));
    const shape = x!.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
    return tabulate(shape, (index) =>
      fold(
        inner.map((along) =>
          at(
            x!,
            index.map((i, axis) => (axes.includes(axis) ? along[axes.indexOf(axis)]! : i)),
          ),
        ),
      ),
    );
  };

/** The value at a position of the last axis, from all values on that axis. */
const alongLastAxis =
  (f: (value: number, row: number[]) => number) =>
  ([x]: readonly Values[]): Values => {
    const row = (index: Index) =>
      Array.from({ length: x!.shape.at(-1)! }, (_, i) => at(x!, [...index.slice(0, -1), i]));
    return tabulate(x!.shape, (index) => f(at(x!, index), row(index)));
  };

const moved = (index: Index, axis: number, by: number): number[] => index.map((i, a) => (a === axis ? i + by : i));
const withExtent = (shape: readonly number[], axis: number, extent: number) =>
  shape.map((old, a) => (a === axis ? extent : old));
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
const truth = (condition: boolean) => Number(condition);

type Evaluate<P extends PrimitiveName> = (inputs: readonly Values[], attributes: Attributes[P], node: Tensor) => Values;

const evaluations: { readonly [P in Exclude<PrimitiveName, 'input' | 'state'>]: Evaluate<P> } = {
  constant: (_, { data }, { shape }) => ({ shape, data }),
  add: elementwise((a, b) => a! + b!),
  sub: elementwise((a, b) => a! - b!),
  mul: elementwise((a, b) => a! * b!),
  div: elementwise((a, b) => a! / b!),
  maximum: elementwise(Math.max),
  minimum: elementwise(Math.min),
  neg: elementwise((x) => -x!),
  exp: elementwise(Math.exp),
  log: elementwise(Math.log),
  sqrt: elementwise(Math.sqrt),
  sin: elementwise(Math.sin),
  sigmoid: elementwise((x) => 1 / (1 + Math.exp(-x!))),
  equal: elementwise((a, b) => truth(a === b)),
  less: elementwise((a, b) => truth(a! < b!)),
  where: elementwise((condition, a, b) => (condition ? a! : b!)),
  cast: ([x], { to }) =>
    tabulate(x!.shape, (i) => (to === 'i32' ? Math.trunc : to === 'bool' ? truthy : Number)(at(x!, i))),
  stopGradient: ([x]) => x!,
  matmul: ([a, b], { transposeA, transposeB }) => {
    const [rows, inner] = transposeA ? a!.shape.slice(-2).reverse() : a!.shape.slice(-2);
    const columns = b!.shape.at(transposeB ? -2 : -1)!;
    return tabulate([...a!.shape.slice(0, -2), rows!, columns], (index) => {
      const batch = index.slice(0, -2);
      const [row, column] = index.slice(-2) as [number, number];
      const terms = Array.from({ length: inner! }, (_, k) => {
        const left = at(a!, [...batch, ...(transposeA ? [k, row] : [row, k])]);
        return left * at(b!, [...batch, ...(transposeB ? [column, k] : [k, column])]);
      });
      return sum(terms);
    });
  },
  int8Matmul: ([x, w]) => {
    const [rows, inner] = x!.shape as [number, number];
    return tabulate([rows, w!.shape[0]!], ([row, column]) => {
      const own = Array.from({ length: inner }, (_, k) => at(x!, [row!, k]));
      const scale = Math.max(...own.map(Math.abs)) / 127;
      return scale * sum(own.map((value, k) => Math.floor(value / scale + 0.5) * at(w!, [column!, k])));
    });
  },
  reshape: ([x], { shape }) => ({ shape, data: x!.data }),
  transpose: ([x], { permutation }) =>
    tabulate(
      permutation.map((axis) => x!.shape[axis]!),
      (index) =>
        at(
          x!,
          permutation.map((_, axis) => index[permutation.indexOf(axis)]!),
        ),
    ),
  broadcast: ([x], { shape }) => tabulate(shape, (index) => at(x!, index)),
  slice: ([x], { axis, start, end }) =>
    tabulate(withExtent(x!.shape, axis, end - start), (index) => at(x!, moved(index, axis, start))),
  pad: ([x], { axis, before, after }) =>
    tabulate(withExtent(x!.shape, axis, before + x!.shape[axis]! + after), (index) => {
      const inside = index[axis]! >= before && index[axis]! < before + x!.shape[axis]!;
      return inside ? at(x!, moved(index, axis, -before)) : 0;
    }),
  concat: (inputs, { axis }) => {
    const extents = inputs.map(({ shape }) => shape[axis]!);
    return tabulate(withExtent(inputs[0]!.shape, axis, sum(extents)), (index) => {
      let start = 0;
      let part = 0;
      while (index[axis]! >= start + extents[part]!) start += extents[part++]!;
      return at(inputs[part]!, moved(index, axis, -start));
    });
  },
  reduceSum: reduction(sum),
  reduceMax: reduction((values) => Math.max(...values)),
  softmax: alongLastAxis((value, row) => 1 / sum(row.map((other) => Math.exp(other - value)))),
  logSoftmax: alongLastAxis((value, row) => {
    const peak = Math.max(...row);
    return value - peak - Math.log(sum(row.map((other) => Math.exp(other - peak))));
  }),
  topValues: ([x], { count }) => tabulate([...x!.shape.slice(0, -1), count], (index) => at(x!, ranked(x!, index))),
  topIndices: ([x], { count }) => tabulate([...x!.shape.slice(0, -1), count], (index) => ranked(x!, index).at(-1)!),
  gather: ([table, indices]) => {
    const rank = indices!.shape.length;
    return tabulate([...indices!.shape, ...table!.shape.slice(1)], (index) =>
      at(table!, [at(indices!, index.slice(0, rank)), ...index.slice(rank)]),
    );
  },
  scatterAdd: ([indices, updates], { rows }) => {
    const rest = updates!.shape.slice(indices!.shape.length);
    const positions = indicesOf(indices!.shape);
    return tabulate([rows, ...rest], ([row, ...index]) =>
      sum(positions.map((position) => (at(indices!, position) === row ? at(updates!, [...position, ...index]) : 0))),
    );
  },
  rmsNorm: ([x, gain], { epsilon }) => {
    const width = x!.shape.at(-1)!;
    const meanSquare = (index: readonly number[]) =>
      sum(Array.from({ length: width }, (_, i) => at(x!, [...index.slice(0, -1), i]) ** 2)) / width;
    return tabulate(
      x!.shape,
      (index) => (at(x!, index) / Math.sqrt(meanSquare(index) + epsilon)) * at(gain!, index.slice(-1)),
    );
  },
  pick: ([x, indices]) => tabulate(indices!.shape, (index) => at(x!, [...index, at(indices!, index)])),
  oneHot: ([indices], { depth }) =>
    tabulate([...indices!.shape, depth], (index) => truth(at(indices!, index.slice(0, -1)) === index.at(-1))),
  rotate: ([x, cosines, sines]) => {
    const half = x!.shape.at(-1)! / 2;
    return tabulate(x!.shape, (index) => {
      const i = index.at(-1)!;
      const position = [index.at(-2)!, i % half];
      const partner = at(x!, [...index.slice(0, -1), (i + half) % (2 * half)]);
      return at(x!, index) * at(cosines!, position) + (i < half ? -1 : 1) * partner * at(sines!, position);
    });
  },
};

function truthy(x: number): number {
  return truth(x !== 0);
}

/** The values of `results` for the given values of the leaves. */
export function evaluate(results: readonly Tensor[], leaves: Readonly<Record<string, Values>>): Values[] {
  const known = new Map<Tensor, Values>();
  for (const node of topologicalOrder(results)) {
    const inputs = node.inputs.map((operand) => known.get(operand)!);
    if (node.primitive === 'input' || node.primitive === 'state') {
      known.set(node, leaves[(node as Tensor<'input' | 'state'>).attributes.name]!);
    } else {
      known.set(node, (evaluations[node.primitive] as Evaluate<PrimitiveName>)(inputs, node.attributes, node));
    }
  }
  return results.map((result) => known.get(result)!);
}

/** The gradient of a scalar with respect to one of the leaves, by central differences. */
export function finiteDifferences(scalar: Tensor, leaves: Readonly<Record<string, Values>>, name: string): Values {
  const { shape, data } = leaves[name]!;
  const step = 1e-5;
  const shifted = (position: number, by: number) => {
    const moved = Float64Array.from(data, (value, index) => (index === position ? value + by : value));
    return evaluate([scalar], { ...leaves, [name]: { shape, data: moved } })[0]!.data[0]!;
  };
  return {
    shape,
    data: Float64Array.from(data, (_, position) => (shifted(position, step) - shifted(position, -step)) / (2 * step)),
  };
}
