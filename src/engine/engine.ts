import { dimensionsOf, isDynamic, shapeAt } from '../graph/dynamic-program.ts';
import type { Program } from '../graph/program.ts';
import {
  type HostTensor,
  type Shape,
  sameShape,
  sizeOf,
  sourceOf,
  type Tensor,
  type TensorSource,
  type WeightFormat,
} from '../graph/tensor.ts';
import { rounded } from './quantization.ts';

export type EngineName = 'onnx' | 'tensorflow';

/** Named tensors that an engine keeps between runs, on its device: parameters and optimiser moments. */
export interface State extends TensorSource {
  write(name: string, value: HostTensor): Promise<void>;
  dispose(): Promise<void>;
}

/** Options of a state. */
export interface StateOptions {
  /**
   * Underlying state, used for names that this state does not have. Programs may read it but not update it. It
   * belongs to its creator and must outlive this state.
   */
  readonly over?: State;
  /**
   * The state is never changed. An engine may then compute on the arrays that it is passed, so they must not change
   * either.
   */
  readonly frozen?: boolean;
  /**
   * Frozen matrices that are kept quantized, and their formats, which programs name too. An engine without kernels for them
   * keeps the dequantized f32 numbers.
   */
  readonly quantized?: ReadonlyMap<string, WeightFormat>;
  /**
   * Where an engine may keep frozen weights as it computes with them, so that the next load is fast and programs map them into
   * memory. The path must identify the weights. If there is no valid file, it is written.
   */
  readonly file?: WeightFile | undefined;
}

export interface WeightFile {
  readonly path: string;
  /** Called after the file was used or written. */
  readonly onUse?: (path: string) => Promise<void>;
  /** Called with one sentence if the file cannot be written, for example because the disk is full. The weights are then in memory. */
  readonly onFailure?: (reason: string) => void;
}

export interface CompileOptions {
  /**
   * Frozen state whose weights become constants of the program, if the engine keeps them in a file. This is faster and shares
   * their memory between programs. The state must outlive the program.
   */
  readonly weights?: State;
}

/** A compiled program. Runs do not overlap: the engine computes one at a time and blocks its thread. */
export interface Executable {
  /**
   * Feeds every input of the program, reads its state from `state` and stores the updates there. Results are new
   * copies on the host. With `outputs`, only those outputs leave the device.
   */
  run(
    feeds: Readonly<Record<string, HostTensor>>,
    state: State,
    outputs?: readonly string[],
  ): Promise<Record<string, HostTensor>>;
  dispose(): Promise<void>;
}

/** A library that executes tensor programs on a device. */
export interface Engine {
  readonly name: EngineName;
  readonly device: string;
  /** Whether frozen matrices stay quantized; otherwise the dequantized f32 numbers are kept. */
  readonly keepsQuantized: boolean;
  /** Whether programs with named dimensions can be compiled. */
  readonly dynamicShapes: boolean;
  /** Takes the values one at a time, so that they are never in memory twice; those of a map are copied. */
  createState(values: ReadonlyMap<string, HostTensor> | TensorSource, options?: StateOptions): Promise<State>;
  compile(program: Program, options?: CompileOptions): Promise<Executable>;
  dispose(): Promise<void>;
}

/** Names and shapes of new state, including the underlying state's. */
export const stateShapes = (values: TensorSource, over: State | undefined): Map<string, Shape> =>
  new Map([...(over?.shapes ?? []), ...values.shapes]);

/**
 * The values of new state. The engine may keep the arrays that it reads. A map's own arrays are passed only if
 * nothing will change them.
 */
export function valuesOf(
  values: ReadonlyMap<string, HostTensor> | TensorSource,
  { frozen }: StateOptions,
): TensorSource {
  const source = sourceOf(values);
  if (!frozen || 'shapes' in values) return source;
  return { shapes: source.shapes, read: async (name) => values.get(name) as HostTensor };
}

/** The f32 numbers that an engine without kernels for quantized matrices keeps. */
export function asStored(values: TensorSource, quantized: StateOptions['quantized']): TensorSource {
  return {
    shapes: values.shapes,
    async read(name) {
      const [value, format] = [await values.read(name), quantized?.get(name)];
      return format ? rounded(value, format) : value;
    },
  };
}

/** The error for an attempt to change frozen or underlying state. */
export const frozenError = (name: string): Error => new Error(`state ${name} is frozen`);

/** Throws if the feeds do not fit the program: a missing or unknown name, a wrong shape or a wrong element type. */
export function checkFeeds(program: Program, feeds: Readonly<Record<string, HostTensor>>): void {
  for (const name of Object.keys(feeds))
    if (!program.inputs.has(name)) throw new Error(`${program.name}: there is no input named ${name}`);
  const shapes = new Map(Object.entries(feeds).map(([name, feed]) => [name, feed.shape]));
  const dimensions = isDynamic(program) ? dimensionsOf(program, shapes) : {};
  for (const [name, node] of program.inputs) {
    const { dtype } = node;
    const shape = isDynamic(program) ? shapeAt(program, node, dimensions) : node.shape;
    const feed = feeds[name];
    if (!feed) throw new Error(`${program.name}: input ${name} is missing`);
    const kind = feed.data instanceof Int32Array ? 'i32' : 'f32';
    if (kind !== dtype || String(feed.shape) !== String(shape))
      throw new Error(`${program.name}: input ${name} is ${kind}[${feed.shape}], but must be ${dtype}[${shape}]`);
    if (feed.data.length !== sizeOf(shape))
      throw new Error(
        `${program.name}: input ${name} has ${feed.data.length} values, but [${shape}] needs ${sizeOf(shape)}`,
      );
  }
}

/** Throws if the state does not fit the program: a missing name, or a wrong shape. */
export function checkState(program: Program, { shapes }: State): void {
  const check = (name: string, { shape }: Tensor) => {
    const kept = shapes.get(name);
    if (!kept) throw new Error(`${program.name}: there is no state named ${name}`);
    if (!sameShape(kept, shape)) throw new Error(`${program.name}: state ${name} is [${kept}], but must be [${shape}]`);
  };
  for (const [name, node] of program.state) check(name, node);
  for (const [name, node] of program.updates) check(name, node);
}
