import { availableParallelism } from 'node:os';
import * as ort from 'onnxruntime-node';
import type { Program } from '../../graph/program.ts';
import type { HostTensor, Tensor, TensorSource } from '../../graph/tensor.ts';
import {
  asKept,
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
    const given: Record<string, ort.Tensor> = {};
    for (const [name, { data, shape }] of Object.entries(feeds)) given[feedName(name)] = tensor(data, shape);
    for (const [name, node] of program.state) {
      if (formatOf(node, this.#provider) === null) given[stateName(name)] = state.current(name);
      else {
        const { values, scales } = quantizedIn(state, name, node, program.name);
        Object.assign(given, { [stateName(name)]: values, [scalesName(name)]: scales });
      }
    }
    const wanted: Record<string, ort.Tensor | null> = {};
    for (const name of program.outputs.keys()) wanted[outputName(name)] = null;
    for (const name of program.updates.keys()) wanted[updateName(name)] = await state.target(name);

    const results = await this.#session.run(given, wanted);
    for (const name of program.updates.keys()) state.accept(name);
    const outputs: Record<string, HostTensor> = {};
    for (const name of program.outputs.keys()) {
      const { dims, data } = results[outputName(name)] as ort.Tensor;
      outputs[name] = { shape: dims, data: data as Float32Array | Int32Array };
    }
    return outputs;
  }

  async dispose(): Promise<void> {
    // Writes the profile where one is kept; does nothing otherwise.
    this.#session.endProfiling();
    await this.#session.release();
    this.#onDispose();
  }
}

/**
 * Bytes of results in between for whose programs memory is kept from run to run, all of them together; less is kept, for
 * results make room for each other. A program that is run often is faster with it; but each has its own, and those of
 * many shapes would fill the machine.
 */
const keptBytes = 16 * 2 ** 30;

/** ONNX Runtime (https://onnxruntime.ai) on one execution provider. */
export class OnnxEngine implements Engine {
  readonly name = 'onnx';
  readonly device: Provider;
  readonly keepsQuantized: boolean;
  readonly #options: ort.InferenceSession.SessionOptions;
  /** Where state lives on the device itself; the Node package can hold no other provider's tensors. */
  readonly #memory: DeviceMemory | undefined;
  readonly #mostKept: number;
  /** Bytes of results in between for whose programs memory is kept. */
  #kept = 0;

  /**
   * `profile`: what the names of ONNX Runtime's profiles begin with; each program leaves one when it is disposed of.
   * `mostKept`: bytes of results in between for whose programs memory is kept.
   */
  constructor(device: Provider, threads: number = availableParallelism(), profile?: string, mostKept = keptBytes) {
    this.device = device;
    this.keepsQuantized = keepsQuantized(device);
    this.#mostKept = mostKept;
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
          // Vanishing moments and probabilities would otherwise run through the slow path of subnormal numbers.
          set_denormal_as_zero: '1',
          // Threads must not burn a core while the host samples, scores or waits.
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
    if (over && !isOnnxState(over)) throw new Error('state can be read only through state of the same engine');
    const source = valuesOf(values, options);
    if (this.keepsQuantized) return HostState.fill(source, { over, frozen, quantized, storage: await storageHere() });
    const kept = asKept(source, quantized);
    if (this.#memory) return DeviceState.upload(this.#memory, kept, { over, frozen });
    return HostState.fill(kept, { over, frozen });
  }

  async compile(program: Program): Promise<Executable> {
    const { bytes } = lower(program, this.device, this.keepsQuantized ? await storageHere() : 'signed');
    const results = program.nodes.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    const isKept = this.#kept + results <= this.#mostKept;
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
