import { closeSync, openSync, readSync } from 'node:fs';
import path from 'node:path';
import * as ort from 'onnxruntime-node';
import type { HostTensor, Shape } from '../../graph/tensor.ts';
import { frozenError } from '../engine.ts';
import { isChannelFormat } from '../quantization.ts';
import { dequantizedTensors, type OnnxState, type QuantizedTensors } from './onnx-state.ts';
import type { Int8Storage } from './quantized.ts';
import { bytesOf, type StoredTensor, type StoredWeight } from './weight-file.ts';

/**
 * Frozen weights in a file. Programs that are compiled with this state have them as constants, which ONNX Runtime maps into memory
 * and lays out for its kernels. Programs that read them as inputs get copies in memory, made on first use.
 */
export class FileState implements OnnxState {
  readonly file: string;
  readonly storage: Int8Storage;
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly weights: ReadonlyMap<string, StoredWeight>;
  readonly #tensors = new Map<string, ort.Tensor>();
  readonly #quantized = new Map<string, QuantizedTensors>();
  /** Kept open, because the file may be removed from the cache while the state is in use. */
  #handle: number | undefined;

  constructor(file: string, storage: Int8Storage, weights: ReadonlyMap<string, StoredWeight>) {
    this.file = path.resolve(file);
    this.storage = storage;
    this.weights = weights;
    this.shapes = new Map([...weights].map(([name, { shape }]) => [name, shape]));
    this.#handle = openSync(file, 'r');
  }

  current(name: string): ort.Tensor {
    const known = this.#tensors.get(name);
    if (known) return known;
    const { values, format } = this.#weight(name);
    if (format !== null) throw new Error(`state ${name} is kept as ${format}`);
    const tensor = this.#load(values);
    this.#tensors.set(name, tensor);
    return tensor;
  }

  quantized(name: string): QuantizedTensors | undefined {
    const known = this.#quantized.get(name);
    const weight = this.weights.get(name);
    if (known || !weight || weight.format === null || weight.scales === null) return known;
    const { shape, format } = weight;
    const [values, scales] = [this.#load(weight.values), this.#load(weight.scales)];
    const tensors = { shape, format, storage: this.storage, values, scales };
    this.#quantized.set(name, tensors);
    return tensors;
  }

  target(name: string): never {
    throw frozenError(name);
  }

  accept(name: string): never {
    throw frozenError(name);
  }

  async read(name: string): Promise<HostTensor> {
    const { shape, format, values, scales } = this.#weight(name);
    if (format === null || scales === null) return { shape, data: this.#load(values).data as Float32Array };
    const storage = isChannelFormat(format) ? this.storage : 'signed';
    return dequantizedTensors({ shape, format, storage, values: this.#load(values), scales: this.#load(scales) });
  }

  async write(name: string): Promise<never> {
    throw frozenError(name);
  }

  async dispose(): Promise<void> {
    this.#tensors.clear();
    this.#quantized.clear();
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  #weight(name: string): StoredWeight {
    const weight = this.weights.get(name);
    if (!weight) throw new Error(`there is no state named ${name}`);
    return weight;
  }

  #load(stored: StoredTensor): ort.Tensor {
    if (this.#handle === undefined) throw new Error('the state was disposed of');
    const bytes = new Uint8Array(bytesOf(stored));
    for (let done = 0; done < bytes.length; ) {
      const read = readSync(this.#handle, bytes, done, bytes.length - done, stored.offset + done);
      if (read === 0) throw new Error(`${this.file} is cut off`);
      done += read;
    }
    if (stored.dtype === 'f32') return new ort.Tensor('float32', new Float32Array(bytes.buffer), stored.shape);
    return stored.dtype === 'i8'
      ? new ort.Tensor('int8', new Int8Array(bytes.buffer), stored.shape)
      : new ort.Tensor('uint8', bytes, stored.shape);
  }
}
