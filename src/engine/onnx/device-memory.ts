import * as ort from 'onnxruntime-node';
import type { HostTensor } from '../../graph/tensor.ts';
import { OnnxGraph } from './model-file.ts';

/**
 * Copies tensors to and from a GPU. Each direction is a session with one Identity node, because reading a device
 * tensor's data directly crashes the process (onnxruntime-node 1.30).
 */
export class DeviceMemory {
  readonly #options: ort.InferenceSession.SessionOptions;
  #up: Promise<ort.InferenceSession> | undefined;
  #down: Promise<ort.InferenceSession> | undefined;

  constructor(options: ort.InferenceSession.SessionOptions) {
    this.#options = options;
  }

  /** A copy on the device. Free it with `dispose`. */
  async upload({ shape, data }: HostTensor): Promise<ort.Tensor> {
    this.#up ??= this.#identity('gpu-buffer');
    const { y } = await (await this.#up).run({ x: new ort.Tensor('float32', data as Float32Array, shape) });
    return y as ort.Tensor;
  }

  /** A copy on the host. */
  async download(x: ort.Tensor): Promise<HostTensor> {
    this.#down ??= this.#identity('cpu');
    const { y } = await (await this.#down).run({ x });
    return { shape: (y as ort.Tensor).dims, data: (y as ort.Tensor).data as Float32Array };
  }

  async dispose(): Promise<void> {
    await (await this.#up)?.release();
    await (await this.#down)?.release();
  }

  #identity(location: 'gpu-buffer' | 'cpu'): Promise<ort.InferenceSession> {
    const graph = new OnnxGraph();
    graph.node('Identity', ['x'], {}, { result: 'y' });
    const bytes = graph.encode('identity', [{ name: 'x', dtype: 'f32' }], [{ name: 'y', dtype: 'f32' }]);
    return ort.InferenceSession.create(bytes, { ...this.#options, preferredOutputLocation: location });
  }
}
