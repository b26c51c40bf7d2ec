import * as ort from 'onnxruntime-node';
import { type HostTensor, type Shape, sizeOf, type TensorSource, type WeightFormat } from '../../graph/tensor.ts';
import { frozenError, type State, stateShapes } from '../engine.ts';
import { dequantize, isChannelFormat, quantize } from '../quantization.ts';
import type { DeviceMemory } from './device-memory.ts';
import { type Int8Storage, layoutOf, storedValues, withTurnedSign } from './quantized.ts';

/** State as ONNX Runtime's tensors, which a run reads and replaces. */
export interface OnnxState extends State {
  current(name: string): ort.Tensor;
  /** The quantized matrix that is kept under a name, if there is one. */
  quantized(name: string): QuantizedTensors | undefined;
  /** Where a run writes the next value. */
  target(name: string): ort.Tensor | Promise<ort.Tensor>;
  /** Makes what a run wrote into the target the current value. */
  accept(name: string): void;
}

/** A quantized matrix [rows, columns] as ONNX Runtime's tensors. */
export interface QuantizedTensors {
  readonly shape: Shape;
  readonly format: WeightFormat;
  readonly storage: Int8Storage;
  readonly values: ort.Tensor;
  readonly scales: ort.Tensor;
}

/** State options whose `over` is also ONNX Runtime's. */
export interface OnnxStateOptions {
  readonly over?: OnnxState | undefined;
  readonly frozen?: boolean | undefined;
  /** The matrices that are kept quantized, and their formats. */
  readonly quantized?: ReadonlyMap<string, WeightFormat> | undefined;
  /** How `-channels` matrices are stored on this machine. */
  readonly storage?: Int8Storage;
}

export function isOnnxState(state: State): state is OnnxState {
  return 'current' in state && 'accept' in state;
}

/** Two tensors per name: a run reads the front and writes the back, then they are swapped. Nothing is allocated. */
export class HostState implements OnnxState {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly #front = new Map<string, ort.Tensor>();
  readonly #back = new Map<string, ort.Tensor>();
  readonly #quantized = new Map<string, QuantizedTensors>();
  readonly #over: OnnxState | undefined;
  readonly #frozen: boolean;

  private constructor(shapes: ReadonlyMap<string, Shape>, { over, frozen = false }: OnnxStateOptions) {
    this.shapes = shapes;
    this.#over = over;
    this.#frozen = frozen;
  }

  static async fill(values: TensorSource, options: OnnxStateOptions = {}): Promise<HostState> {
    const state = new HostState(stateShapes(values, options.over), options);
    for (const name of values.shapes.keys()) {
      const value = await values.read(name);
      const format = options.quantized?.get(name);
      if (format) state.#quantized.set(name, quantizedTensors(value, format, options.storage ?? 'signed'));
      else state.#front.set(name, tensor(value.data, value.shape));
    }
    return state;
  }

  current(name: string): ort.Tensor {
    return known(this.#front, name, this.#over);
  }

  quantized(name: string): QuantizedTensors | undefined {
    return this.#quantized.get(name) ?? this.#over?.quantized(name);
  }

  target(name: string): ort.Tensor {
    let back = this.#back.get(name);
    if (!back) {
      const { dims } = this.#own(name);
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
    const quantized = this.quantized(name);
    if (quantized) return dequantizedTensors(quantized);
    const { data, dims } = this.current(name);
    return { shape: dims, data: (data as Float32Array).slice() };
  }

  async write(name: string, value: HostTensor): Promise<void> {
    const { data, dims } = this.#own(name);
    checkShape(name, dims, value.shape);
    (data as Float32Array).set(value.data);
  }

  async dispose(): Promise<void> {
    this.#front.clear();
    this.#back.clear();
    this.#quantized.clear();
  }

  #own(name: string): ort.Tensor {
    if (this.#frozen) throw frozenError(name);
    return ownOf(this.#front, name, this.shapes);
  }
}

/**
 * Tensors in a GPU's memory: they never visit the host between two runs. As on the host a run writes into tensors of the
 * state's own, which then change places with those it read: a tensor that a session made for its results may not outlive the
 * session (onnxruntime-node 1.30 ends the process when it is replaced).
 */
export class DeviceState implements OnnxState {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly #memory: DeviceMemory;
  readonly #tensors: Map<string, ort.Tensor>;
  readonly #back = new Map<string, ort.Tensor>();
  readonly #over: OnnxState | undefined;
  readonly #frozen: boolean;

  private constructor(
    memory: DeviceMemory,
    shapes: ReadonlyMap<string, Shape>,
    tensors: Map<string, ort.Tensor>,
    { over, frozen = false }: OnnxStateOptions,
  ) {
    this.shapes = shapes;
    this.#memory = memory;
    this.#tensors = tensors;
    this.#over = over;
    this.#frozen = frozen;
  }

  static async upload(
    memory: DeviceMemory,
    values: TensorSource,
    options: OnnxStateOptions = {},
  ): Promise<DeviceState> {
    const tensors = new Map<string, ort.Tensor>();
    for (const name of values.shapes.keys()) tensors.set(name, await memory.upload(await values.read(name)));
    return new DeviceState(memory, stateShapes(values, options.over), tensors, options);
  }

  current(name: string): ort.Tensor {
    return known(this.#tensors, name, this.#over);
  }

  quantized(): undefined {
    return undefined;
  }

  async target(name: string): Promise<ort.Tensor> {
    const { dims } = this.#own(name);
    const back =
      this.#back.get(name) ?? (await this.#memory.upload({ shape: dims, data: new Float32Array(sizeOf(dims)) }));
    this.#back.set(name, back);
    return back;
  }

  accept(name: string): void {
    const next = this.#back.get(name);
    if (!next) throw new Error(`nothing was written to state ${name}`);
    this.#back.set(name, this.#own(name));
    this.#tensors.set(name, next);
  }

  async read(name: string): Promise<HostTensor> {
    return this.#memory.download(this.current(name));
  }

  async write(name: string, value: HostTensor): Promise<void> {
    const before = this.#own(name);
    checkShape(name, before.dims, value.shape);
    this.#tensors.set(name, await this.#memory.upload(value));
    before.dispose();
  }

  async dispose(): Promise<void> {
    for (const held of [...this.#tensors.values(), ...this.#back.values()]) held.dispose();
    this.#tensors.clear();
    this.#back.clear();
  }

  #own(name: string): ort.Tensor {
    if (this.#frozen) throw frozenError(name);
    return ownOf(this.#tensors, name, this.shapes);
  }
}

function quantizedTensors(value: HostTensor, format: WeightFormat, storage: Int8Storage): QuantizedTensors {
  const kept = quantize(value, format);
  const { shape, dtype, scales } = layoutOf(kept.shape, format, storage);
  const values = storedValues(kept, storage);
  return {
    ...{ shape: kept.shape, format, storage },
    values: new ort.Tensor(dtype === 'i8' ? 'int8' : 'uint8', values as Uint8Array, shape),
    scales: tensor(kept.scales, scales),
  };
}

export function dequantizedTensors({ shape, format, storage, values, scales }: QuantizedTensors): HostTensor {
  const stored = values.data as Int8Array | Uint8Array;
  const signed =
    isChannelFormat(format) && storage === 'unsigned' ? new Int8Array(withTurnedSign(stored).buffer) : stored;
  return dequantize({ shape, format, values: signed, scales: scales.data as Float32Array });
}

export function tensor(data: Float32Array | Int32Array, shape: Shape): ort.Tensor {
  return data instanceof Int32Array ? new ort.Tensor('int32', data, shape) : new ort.Tensor('float32', data, shape);
}

function known(tensors: ReadonlyMap<string, ort.Tensor>, name: string, over?: OnnxState): ort.Tensor {
  const found = tensors.get(name);
  if (found) return found;
  if (over) return over.current(name);
  throw new Error(`there is no state named ${name}`);
}

/** A tensor of this state. Tensors of the underlying state must not be changed. */
function ownOf(tensors: ReadonlyMap<string, ort.Tensor>, name: string, shapes: ReadonlyMap<string, Shape>): ort.Tensor {
  if (!tensors.has(name) && shapes.has(name)) throw frozenError(name);
  return known(tensors, name);
}

function checkShape(name: string, shape: Shape, value: Shape): void {
  if (String(value) !== String(shape)) throw new Error(`state ${name} is [${shape}], not [${value}]`);
}
