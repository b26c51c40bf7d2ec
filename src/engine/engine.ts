import type { Program } from '../graph/program.ts';
import { type HostTensor, sameShape, sizeOf, type Tensor, type TensorSource } from '../graph/tensor.ts';

export type EngineName = 'onnx' | 'tensorflow';

/** Named tensors that an engine keeps between runs, on its device: parameters, optimiser moments. */
export interface State extends TensorSource {
  write(name: string, value: HostTensor): Promise<void>;
  dispose(): Promise<void>;
}

/** A compiled program. Runs do not overlap: the engine computes one at a time and blocks its thread meanwhile. */
export interface Executable {
  /**
   * Feeds every input of the program, reads its state from `state` and leaves the updates there. Results are fresh
   * copies on the host.
   */
  run(feeds: Readonly<Record<string, HostTensor>>, state: State): Promise<Record<string, HostTensor>>;
  dispose(): Promise<void>;
}

/** A library that executes tensor programs on a device. */
export interface Engine {
  readonly name: EngineName;
  readonly device: string;
  /** Takes the values one at a time, so that they are never in memory twice; those of a map are copied. */
  createState(values: ReadonlyMap<string, HostTensor> | TensorSource): Promise<State>;
  compile(program: Program): Promise<Executable>;
  dispose(): Promise<void>;
}

/** Throws where the feeds do not fit the program: a missing or foreign name, another shape or another kind of numbers. */
export function checkFeeds(program: Program, feeds: Readonly<Record<string, HostTensor>>): void {
  for (const name of Object.keys(feeds))
    if (!program.inputs.has(name)) throw new Error(`${program.name}: there is no input named ${name}`);
  for (const [name, { shape, dtype }] of program.inputs) {
    const feed = feeds[name];
    if (!feed) throw new Error(`${program.name}: input ${name} is missing`);
    const kind = feed.data instanceof Int32Array ? 'i32' : 'f32';
    if (kind !== dtype || String(feed.shape) !== String(shape))
      throw new Error(`${program.name}: input ${name} is ${kind}[${feed.shape}] where ${dtype}[${shape}] is needed`);
    if (feed.data.length !== sizeOf(shape))
      throw new Error(
        `${program.name}: input ${name} has ${feed.data.length} values where [${shape}] needs ${sizeOf(shape)}`,
      );
  }
}

/** Throws where the state does not fit the program: a missing name, or another shape than it reads or writes. */
export function checkState(program: Program, { shapes }: State): void {
  const check = (name: string, { shape }: Tensor) => {
    const kept = shapes.get(name);
    if (!kept) throw new Error(`${program.name}: there is no state named ${name}`);
    if (!sameShape(kept, shape))
      throw new Error(`${program.name}: state ${name} is [${kept}] where [${shape}] is needed`);
  };
  for (const [name, node] of program.state) check(name, node);
  for (const [name, node] of program.updates) check(name, node);
}
