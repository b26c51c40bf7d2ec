/** Comparisons return `bool`, token ids are `i32`, and everything that is differentiated is `f32`. */
export type DType = 'f32' | 'i32' | 'bool';
export type Shape = readonly number[];

/**
 * How an engine keeps a frozen matrix [outputs, inputs] in fewer bits: whole numbers with a scale for every 32 numbers of
 * a row (`-blocks`), or for every row (`-channels`), which is what integer products take.
 */
export type WeightFormat = 'int8-blocks' | 'int4-blocks' | 'int8-channels' | 'int7-channels';

type None = Record<string, never>;

/** The attributes of each primitive, in addition to its inputs. */
export interface Attributes {
  /** Supplied at every run. */
  input: { readonly name: string };
  /** Kept by the engine between runs: parameters, optimiser moments. With `format`, a frozen quantized matrix. */
  state: { readonly name: string; readonly format?: WeightFormat | undefined };
  constant: { readonly data: Float32Array | Int32Array };
  add: None;
  sub: None;
  mul: None;
  div: None;
  maximum: None;
  minimum: None;
  neg: None;
  exp: None;
  log: None;
  sqrt: None;
  sin: None;
  sigmoid: None;
  equal: None;
  less: None;
  where: None;
  cast: { readonly to: DType };
  stopGradient: None;
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };
  int8Matmul: None;
  reshape: { readonly shape: Shape };
  transpose: { readonly permutation: readonly number[] };
  broadcast: { readonly shape: Shape };
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  concat: { readonly axis: number };
  reduceSum: { readonly axes: readonly number[] };
  reduceMax: { readonly axes: readonly number[] };
  softmax: None;
  logSoftmax: None;
  rmsNorm: { readonly epsilon: number };
  topValues: { readonly count: number };
  topIndices: { readonly count: number };
  gather: None;
  scatterAdd: { readonly rows: number };
  pick: None;
  oneHot: { readonly depth: number };
  rotate: None;
}

export type PrimitiveName = keyof Attributes;

/**
 * A node of a tensor program: a primitive applied to other nodes. Nothing is computed here; an engine does that.
 * Nodes are immutable and their shapes are static, so a program can be differentiated, rewritten and compiled.
 */
export interface Tensor<P extends PrimitiveName = PrimitiveName> {
  readonly id: number;
  readonly primitive: P;
  readonly inputs: readonly Tensor[];
  readonly attributes: Attributes[P];
  readonly shape: Shape;
  readonly dtype: DType;
}

/** Numbers on the host: the inputs and outputs of a run. `bool` cannot leave a program. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: Float32Array | Int32Array;
}

/** Named tensors of known shapes, which are read one at a time. */
export interface TensorSource {
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Reads one tensor. The array belongs to the caller. */
  read(name: string): Promise<HostTensor>;
}

/** A map of tensors as a source that returns copies. A source is returned unchanged. */
export function sourceOf(tensors: ReadonlyMap<string, HostTensor> | TensorSource): TensorSource {
  if ('shapes' in tensors) return tensors;
  return {
    shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
    async read(name) {
      const { shape, data } = tensors.get(name) as HostTensor;
      return { shape, data: data.slice() };
    },
  };
}

export function sizeOf(shape: Shape): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** The shape of an elementwise result (NumPy's broadcasting rule). Throws if the shapes do not broadcast. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) throw new Error(`shapes [${a}] and [${b}] do not broadcast`);
    return left === 1 ? right : left;
  });
}
