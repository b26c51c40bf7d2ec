import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { Program } from '../../graph/program.ts';
import type { HostTensor, Shape } from '../../graph/tensor.ts';
import { checkFeeds, type Engine, type Executable, type State } from '../engine.ts';
import { feedName, lower, outputName, type Provider, stateName, updateName } from './lowering.ts';

/** Two tensors per name: a run reads the front and writes the back, then they change places. Nothing is allocated. */
class OnnxState implements State {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly front = new Map<string, ort.Tensor>();
  readonly back = new Map<string, ort.Tensor>();

  constructor(values: ReadonlyMap<string, HostTensor>) {
    this.shapes = new Map([...values].map(([name, { shape }]) => [name, shape]));
    for (const [name, value] of values) this.front.set(name, toOrt({ shape: value.shape, data: value.data.slice() }));
  }

  async read(name: string): Promise<HostTensor> {
    const { data, dims } = this.#tensor(name);
    return { shape: dims, data: (data as Float32Array | Int32Array).slice() };
  }

  async write(name: string, value: HostTensor): Promise<void> {
    const { data, dims } = this.#tensor(name);
    if (String(value.shape) !== String(dims)) throw new Error(`state ${name} is [${dims}], not [${value.shape}]`);
    (data as Float32Array | Int32Array).set(value.data);
  }

  /** The tensor that a run may write `name`'s next value to. */
  spare(name: string): ort.Tensor {
    const { dims } = this.#tensor(name);
    let tensor = this.back.get(name);
    if (!tensor) {
      tensor = new ort.Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
      this.back.set(name, tensor);
    }
    return tensor;
  }

  swap(name: string): void {
    const next = this.back.get(name) as ort.Tensor;
    this.back.set(name, this.#tensor(name));
    this.front.set(name, next);
  }

  async dispose(): Promise<void> {
    this.front.clear();
    this.back.clear();
  }

  #tensor(name: string): ort.Tensor {
    const tensor = this.front.get(name);
    if (!tensor) throw new Error(`there is no state named ${name}`);
    return tensor;
  }
}

class OnnxExecutable implements Executable {
  readonly #program: Program;
  readonly #session: ort.InferenceSession;

  constructor(program: Program, session: ort.InferenceSession) {
    this.#program = program;
    this.#session = session;
  }

  async run(feeds: Readonly<Record<string, HostTensor>>, state: State): Promise<Record<string, HostTensor>> {
    const program = this.#program;
    if (!(state instanceof OnnxState)) throw new Error(`${program.name}: this state belongs to another engine`);
    checkFeeds(program, feeds);
    const given: Record<string, ort.Tensor> = {};
    for (const name of program.inputs.keys()) given[feedName(name)] = toOrt(feeds[name] as HostTensor);
    for (const name of program.state.keys()) given[stateName(name)] = state.front.get(name) as ort.Tensor;
    const wanted: Record<string, ort.Tensor | null> = {};
    for (const name of program.outputs.keys()) wanted[outputName(name)] = null;
    for (const name of program.updates.keys()) wanted[updateName(name)] = state.spare(name);

    const results = await this.#session.run(given, wanted);
    for (const name of program.updates.keys()) state.swap(name);
    const outputs: Record<string, HostTensor> = {};
    for (const name of program.outputs.keys()) {
      const { dims, data } = results[outputName(name)] as ort.Tensor;
      outputs[name] = { shape: dims, data: data as Float32Array | Int32Array };
    }
    return outputs;
  }

  async dispose(): Promise<void> {
    await this.#session.release();
  }
}

/** ONNX Runtime (https://onnxruntime.ai) on one execution provider. */
export class OnnxEngine implements Engine {
  readonly name = 'onnx';
  readonly device: Provider;
  readonly #threads: number;

  constructor(device: Provider, threads: number = availableParallelism()) {
    this.device = device;
    this.#threads = threads;
  }

  async createState(values: ReadonlyMap<string, HostTensor>): Promise<State> {
    return new OnnxState(values);
  }

  async compile(program: Program): Promise<Executable> {
    const { bytes } = lower(program, this.device);
    const session = await ort.InferenceSession.create(bytes, {
      executionProviders: [this.device],
      intraOpNumThreads: this.#threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: {
        session: {
          // Vanishing moments and probabilities would otherwise run through the slow path of subnormal numbers.
          set_denormal_as_zero: '1',
          // Threads must not burn a core while the host samples, scores or waits.
          force_spinning_stop: '1',
        },
      },
    });
    return new OnnxExecutable(program, session);
  }

  async dispose(): Promise<void> {}
}

function toOrt({ shape, data }: HostTensor): ort.Tensor {
  return data instanceof Int32Array ? new ort.Tensor('int32', data, shape) : new ort.Tensor('float32', data, shape);
}
