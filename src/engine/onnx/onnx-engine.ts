import { availableParallelism } from 'node:os';
import path from 'node:path';
import * as ort from 'onnxruntime-node';
import { isDynamic } from '../../graph/dynamic-program.ts';
import type { Program } from '../../graph/program.ts';
import type { HostTensor, Tensor, TensorSource } from '../../graph/tensor.ts';
import { UserError } from '../../platform/errors.ts';
import {
  asStored,
  type CompileOptions,
  checkFeeds,
  checkState,
  type Engine,
  type Executable,
  type State,
  type StateOptions,
  valuesOf,
} from '../engine.ts';
import { DeviceMemory } from './device-memory.ts';
import { FileState } from './file-state.ts';
import { type ConstantWeight, feedName, lower, outputName, type Provider, stateName, updateName } from './lowering.ts';
import { DeviceState, HostState, isOnnxState, type OnnxState, type QuantizedTensors, tensor } from './onnx-state.ts';
import { formatOf, type Int8Storage, keepsQuantized, productsAreExact, scalesName } from './quantized.ts';
import { openWeightFile, type StoredTensor, writeWeightFile } from './weight-file.ts';

class OnnxExecutable implements Executable {
  readonly #program: Program;
  readonly #session: ort.InferenceSession;
  readonly #provider: Provider;
  readonly #constants: ReadonlyMap<string, ConstantWeight>;
  readonly #onDispose: () => void;

  constructor(
    program: Program,
    session: ort.InferenceSession,
    { provider, constants }: { provider: Provider; constants: ReadonlyMap<string, ConstantWeight> },
    onDispose: () => void,
  ) {
    this.#program = program;
    this.#provider = provider;
    this.#constants = constants;
    this.#session = session;
    this.#onDispose = onDispose;
  }

  async run(
    feeds: Readonly<Record<string, HostTensor>>,
    state: State,
    wanted: readonly string[] = [...this.#program.outputs.keys()],
  ): Promise<Record<string, HostTensor>> {
    const program = this.#program;
    if (!isOnnxState(state)) throw new Error(`${program.name}: this state belongs to another engine`);
    checkFeeds(program, feeds);
    checkState(program, state);
    const inputs: Record<string, ort.Tensor> = {};
    for (const [name, { data, shape }] of Object.entries(feeds)) inputs[feedName(name)] = tensor(data, shape);
    for (const [name, node] of program.state) {
      if (this.#constants.has(name)) continue;
      if (formatOf(node, this.#provider) === null) inputs[stateName(name)] = state.current(name);
      else {
        const { values, scales } = quantizedIn(state, name, node, program.name);
        Object.assign(inputs, { [stateName(name)]: values, [scalesName(name)]: scales });
      }
    }
    const targets: Record<string, ort.Tensor | null> = {};
    for (const name of wanted) targets[outputName(name)] = null;
    for (const name of program.updates.keys()) targets[updateName(name)] = await state.target(name);

    const results = await this.#session.run(inputs, targets);
    for (const name of program.updates.keys()) state.accept(name);
    const outputs: Record<string, HostTensor> = {};
    for (const name of wanted) {
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
  readonly dynamicShapes: boolean;
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
    this.dynamicShapes = device === 'cpu';
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
    if (this.keepsQuantized) {
      const storage = await storageHere();
      const stored = frozen && !over ? await inFile(source, options, storage) : null;
      return stored ?? HostState.fill(source, { over, frozen, quantized, storage });
    }
    const kept = asStored(source, quantized);
    if (this.#memory) return DeviceState.upload(this.#memory, kept, { over, frozen });
    return HostState.fill(kept, { over, frozen });
  }

  async compile(program: Program, { weights }: CompileOptions = {}): Promise<Executable> {
    if (isDynamic(program) && !this.dynamicShapes)
      throw new Error(`${program.name}: ${this.device} compiles static shapes only`);
    const mapped = weights instanceof FileState ? weights : undefined;
    const constants = mapped ? constantsIn(mapped, program, this.device) : new Map<string, ConstantWeight>();
    const storage = this.keepsQuantized ? await storageHere() : 'signed';
    const { bytes } = lower(program, this.device, { storage, constants });
    const results = program.nodes.reduce((sum, { shape }) => sum + 4 * shape.reduce((a, b) => a * b, 1), 0);
    const isKept = this.#kept + results <= this.#maxKeptBytes;
    const { extra } = this.#options as { extra: { session: Readonly<Record<string, string>> } };
    const session = await ort.InferenceSession.create(bytes, {
      ...this.#options,
      ...(isKept ? {} : { enableCpuMemArena: false, enableMemPattern: false }),
      ...(mapped ? { extra: { session: { ...extra.session, [weightFolder]: path.dirname(mapped.file) } } } : {}),
    });
    const lowered = { provider: this.device, constants };
    if (!isKept) return new OnnxExecutable(program, session, lowered, () => undefined);
    this.#kept += results;
    return new OnnxExecutable(program, session, lowered, () => {
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

/** The session option that names the folder of a program's external tensors. */
const weightFolder = 'model_external_initializers_file_folder_path';

/** Opens the file of frozen weights, or writes it first. Null if there is none, or if it cannot be written. */
async function inFile(
  values: TensorSource,
  { file, quantized = new Map() }: StateOptions,
  storage: Int8Storage,
): Promise<FileState | null> {
  if (!file) return null;
  // The self-test decides how this machine's products store their factors.
  const location = `${file.path}.${storage}.weights`;
  const content = { values, quantized, storage };
  let weights = await openWeightFile(location, content);
  if (!weights) {
    try {
      await writeWeightFile(location, content);
    } catch (error) {
      if (!(error instanceof UserError && 'code' in error)) throw error;
      file.onFailure?.(`The model's weights are not cached, so it loads slowly: ${error.message}`);
      return null;
    }
    weights = await openWeightFile(location, content);
  }
  if (!weights) return null;
  const state = new FileState(location, storage, weights);
  await file.onUse?.(location);
  return state;
}

/** The weights that a program reads from a file. */
function constantsIn(state: FileState, program: Program, provider: Provider): Map<string, ConstantWeight> {
  const file = path.basename(state.file);
  const external = (tensor: StoredTensor) => ({ ...tensor, file });
  const constants = new Map<string, ConstantWeight>();
  for (const [name, node] of program.state) {
    const weight = state.weights.get(name);
    if (weight && weight.format === formatOf(node, provider))
      constants.set(name, { values: external(weight.values), scales: weight.scales && external(weight.scales) });
  }
  return constants;
}

let storage: Promise<Int8Storage> | undefined;

/** How integer products store their matrices on this machine, found out once. */
function storageHere(): Promise<Int8Storage> {
  storage ??= productsAreExact('signed').then((exact) => (exact ? 'signed' : 'unsigned'));
  return storage;
}
