import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { Program } from '../../graph/program.ts';
import type { HostTensor, Tensor, TensorSource } from '../../graph/tensor.ts';
import {
  asStored,
  checkFeeds,
  checkState,
  type Engine,
  type Executable,
  type State,
  type StateOptions,
  valuesOf,
} from '../engine.ts';
import { DeviceMemory } from './device-memory.ts';
import { feedName, lower, outputName, type Provider, stateName, updateName } from './lowering.ts';
import { DeviceState, HostState, isOnnxState, type OnnxState, type QuantizedTensors, tensor } from './onnx-state.ts';
import { formatOf, type Int8Storage, keepsQuantized, productsAreExact, scalesName } from './quantized.ts';

class OnnxExecutable implements Executable {
  readonly #program: Program;
  readonly #session: ort.InferenceSession;
  readonly #provider: Provider;
  readonly #onDispose: () => void;

  constructor(program: Program, session: ort.InferenceSession, provider: Provider, onDispose: () => void) {
    this.#program = program;
    this.#provider = provider;
    this.#session = session;
    this.#onDispose = onDispose;
  }

  async run(feeds: Readonly<Record<string, HostTensor>>, state: State): Promise<Record<string, HostTensor>> {
    const program = this.#program;
    if (!isOnnxState(state)) throw new Error(`${program.name}: this state belongs to another engine`);
    checkFeeds(program, feeds);
    checkState(program, state);
    const inputs: Record<string, ort.Tensor> = {};
    for (const [name, { data, shape }] of Object.entries(feeds)) inputs[feedName(name)] = tensor(data, shape);
    for (const [name, node] of program.state) {
      if (formatOf(node, this.#provider) === null) inputs[stateName(name)] = state.current(name);
      else {
        const { values, scales } = quantizedIn(state, name, node, program.name);
        Object.assign(inputs, { [stateName(name)]: values, [scalesName(name)]: scales });
      }
    }
    const targets: Record<string, ort.Tensor | null> = {};
    for (const name of program.outputs.keys()) targets[outputName(name)] = null;
    for (const name of program.updates.keys()) targets[updateName(name)] = await state.target(name);

    const results = await this.#session.run(inputs, targets);
    for (const name of program.updates.keys()) state.accept(name);
    const outputs: Record<string, HostTensor> = {};
    for (const name of program.outputs.keys()) {
      const { dims, data } = results[outputName(name)] as ort.Tensor;
      outputs[name] = { shape: dims, data: data as Float32Array | Int32Array };
    }
    return outputs;
  }

  async dispose(): Promise<void> {
    // Writes the profile if profiling is on; otherwise does nothing.
    this.#session.endProfiling();
    await this.#session.release();
    this.#onDispose();
  }
}

/**
 * Programs keep the memory of their intermediate results between runs as long as the results of all of them together
 * stay below this many bytes. (They take less, because results reuse each other's memory.) This makes frequent
 * programs faster, but each program has its own arena, and programs of many shapes would otherwise fill the machine's
 * memory.
 */
const defaultMaxKeptBytes = 16 * 2 ** 30;

/** ONNX Runtime (https://onnxruntime.ai) on one execution provider. */
export class OnnxEngine implements Engine {
  readonly name = 'onnx';
  readonly device: Provider;
  readonly keepsQuantized: boolean;
  readonly #options: ort.InferenceSession.SessionOptions;
  /** Set if state is on the device. onnxruntime-node supports device tensors of WebGPU only. */
  readonly #memory: DeviceMemory | undefined;
  readonly #maxKeptBytes: number;
  /** Bytes of intermediate results whose memory is kept at present. */
  #kept = 0;

  /**
   * `profile`: prefix of ONNX Runtime's profile files; each program writes one when it is disposed. `maxKeptBytes`:
   * limit for the memory kept between runs (see `defaultMaxKeptBytes`).
   */
  constructor(
    device: Provider,
    threads: number = availableParallelism(),
    profile?: string,
    maxKeptBytes = defaultMaxKeptBytes,
  ) {
    this.device = device;
    this.keepsQuantized = keepsQuantized(device);
    this.#maxKeptBytes = maxKeptBytes;
    this.#options = {
      ...(profile === undefined ? {} : { enableProfiling: true, profileFilePrefix: profile }),
      executionProviders: [device],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      extra: {
        session: {
          // Without this, moments and probabilities close to 0 take the slow path for subnormal numbers.
          set_denormal_as_zero: '1',
          // Threads must not use a core while the host samples, computes rewards or waits.
          force_spinning_stop: '1',
        },
      },
    };
    this.#memory = device === 'webgpu' ? new DeviceMemory(this.#options) : undefined;
  }

  async createState(
    values: ReadonlyMap<string, HostTensor> | TensorSource,
    options: StateOptions = {},
  ): Promise<State> {
    const { over, frozen, quantized } = options;
    if (over && !isOnnxState(over)) throw new Error('the underlying state must belong to the same engine');
    const source = valuesOf(values, options);
    if (this.keepsQuantized) return HostState.fill(source, { over, frozen, quantized, storage: await storageHere() });
    const kept = asStored(source, quantized);
    if (this.#memory) return DeviceState.upload(this.#memory, kept, { over, frozen });
    return HostState.fill(kept, { over, frozen });
  }

  async compile(program: Program): Promise<Executable> {
    const { bytes } = lower(program, this.device, this.keepsQuantized ? await storageHere() : 'signed');
    const results = program.nodes.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    const isKept = this.#kept + results <= this.#maxKeptBytes;
    const session = await ort.InferenceSession.create(bytes, {
      ...this.#options,
      ...(isKept ? {} : { enableCpuMemArena: false, enableMemPattern: false }),
    });
    if (!isKept) return new OnnxExecutable(program, session, this.device, () => undefined);
    this.#kept += results;
    return new OnnxExecutable(program, session, this.device, () => {
      this.#kept -= results;
    });
  }

  async dispose(): Promise<void> {
    await this.#memory?.dispose();
  }
}

/** The quantized matrix that a program reads; throws where the state does not keep it in the program's format. */
function quantizedIn(state: OnnxState, name: string, node: Tensor<'state'>, program: string): QuantizedTensors {
  const found = state.quantized(name);
  if (found === undefined || found.format !== node.attributes.format)
    throw new Error(`${program}: state ${name} is not kept as ${node.attributes.format}`);
  return found;
}

let storage: Promise<Int8Storage> | undefined;

/** How integer products store their matrices on this machine, found out once. */
function storageHere(): Promise<Int8Storage> {
  storage ??= productsAreExact('signed').then((exact) => (exact ? 'signed' : 'unsigned'));
  return storage;
}
