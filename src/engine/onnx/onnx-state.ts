import * as ort from 'onnxruntime-node';
import { type HostTensor, type Shape, sizeOf, type TensorSource } from '../../graph/tensor.ts';
import type { State } from '../engine.ts';
import type { DeviceMemory } from './device-memory.ts';

/** State as ONNX Runtime's tensors, which a run reads and replaces. */
export interface OnnxState extends State {
  current(name: string): ort.Tensor;
  /** Where a run writes the next value; null: into a new tensor. */
  target(name: string): ort.Tensor | null;
  /** Makes what a run wrote the current value. */
  accept(name: string, next: ort.Tensor): void;
}

export function isOnnxState(state: State): state is OnnxState {
  return state instanceof HostState || state instanceof DeviceState;
}

/** Two tensors per name: a run reads the front and writes the back, then they change places. Nothing is allocated. */
export class HostState implements OnnxState {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly #front = new Map<string, ort.Tensor>();
  readonly #back = new Map<string, ort.Tensor>();

  private constructor(shapes: ReadonlyMap<string, Shape>) {
    this.shapes = shapes;
  }

  static async fill(values: TensorSource): Promise<HostState> {
    const state = new HostState(new Map(values.shapes));
    for (const name of values.shapes.keys()) {
      const { shape, data } = await values.read(name);
      state.#front.set(name, tensor(data, shape));
    }
    return state;
  }

  current(name: string): ort.Tensor {
    return known(this.#front, name);
  }

  target(name: string): ort.Tensor {
    let back = this.#back.get(name);
    if (!back) {
      const { dims } = this.current(name);
      back = tensor(new Float32Array(sizeOf(dims)), dims);
      this.#back.set(name, back);
    }
    return back;
  }

  accept(name: string): void {
    const next = this.target(name);
    this.#back.set(name, this.current(name));
    this.#front.set(name, next);
  }

  async read(name: string): Promise<HostTensor> {
    const { data, dims } = this.current(name);
    return { shape: dims, data: (data as Float32Array).slice() };
  }

  async write(name: string, value: HostTensor): Promise<void> {
    const { data, dims } = this.current(name);
    checkShape(name, dims, value.shape);
    (data as Float32Array).set(value.data);
  }

  async dispose(): Promise<void> {
    this.#front.clear();
    this.#back.clear();
  }
}

/** Tensors in a GPU's memory: they never visit the host between two runs. */
export class DeviceState implements OnnxState {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly #memory: DeviceMemory;
  readonly #tensors: Map<string, ort.Tensor>;

  private constructor(memory: DeviceMemory, shapes: ReadonlyMap<string, Shape>, tensors: Map<string, ort.Tensor>) {
    this.shapes = shapes;
    this.#memory = memory;
    this.#tensors = tensors;
  }

  static async upload(memory: DeviceMemory, values: TensorSource): Promise<DeviceState> {
    const tensors = new Map<string, ort.Tensor>();
    for (const name of values.shapes.keys()) tensors.set(name, await memory.upload(await values.read(name)));
    return new DeviceState(memory, new Map(values.shapes), tensors);
  }

  current(name: string): ort.Tensor {
    return known(this.#tensors, name);
  }

  target(): null {
    return null;
  }

  accept(name: string, next: ort.Tensor): void {
    this.current(name).dispose();
    this.#tensors.set(name, next);
  }

  async read(name: string): Promise<HostTensor> {
    return this.#memory.download(this.current(name));
  }

  async write(name: string, value: HostTensor): Promise<void> {
    checkShape(name, this.current(name).dims, value.shape);
    this.accept(name, await this.#memory.upload(value));
  }

  async dispose(): Promise<void> {
    for (const held of this.#tensors.values()) held.dispose();
    this.#tensors.clear();
  }
}

export function tensor(data: Float32Array | Int32Array, shape: Shape): ort.Tensor {
  return data instanceof Int32Array ? new ort.Tensor('int32', data, shape) : new ort.Tensor('float32', data, shape);
}

function known(tensors: ReadonlyMap<string, ort.Tensor>, name: string): ort.Tensor {
  const found = tensors.get(name);
  if (!found) throw new Error(`there is no state named ${name}`);
  return found;
}

function checkShape(name: string, shape: Shape, given: Shape): void {
  if (String(given) !== String(shape)) throw new Error(`state ${name} is [${shape}], not [${given}]`);
}
