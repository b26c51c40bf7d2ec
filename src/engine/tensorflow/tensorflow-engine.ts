import type * as Tf from '@tensorflow/tfjs-core';
import type { Program } from '../../graph/program.ts';
import type { HostTensor, Shape, Tensor, TensorSource } from '../../graph/tensor.ts';
import {
  asStored,
  checkFeeds,
  checkState,
  type Engine,
  type Executable,
  frozenError,
  type State,
  type StateOptions,
  stateShapes,
  valuesOf,
} from '../engine.ts';
import { loadTensorflow, type Tensorflow, type TensorflowDevice } from './load-tensorflow.ts';
import { compute } from './operations.ts';

/** TensorFlow.js (https://www.tensorflow.org/js) on one of its backends. Executes programs node by node. */
export class TensorflowEngine implements Engine {
  readonly name = 'tensorflow';
  readonly device: TensorflowDevice;
  readonly keepsQuantized = false;
  readonly dynamicShapes = false;
  readonly tf: Tensorflow;
  readonly #backend: string;

  private constructor(device: TensorflowDevice, tf: Tensorflow, backend: string) {
    this.device = device;
    this.tf = tf;
    this.#backend = backend;
  }

  /** Throws with the reason if this machine has no such device. */
  static async open(device: TensorflowDevice): Promise<TensorflowEngine> {
    const { tf, backend } = await loadTensorflow(device);
    return new TensorflowEngine(device, tf, backend);
  }

  async createState(
    values: ReadonlyMap<string, HostTensor> | TensorSource,
    options: StateOptions = {},
  ): Promise<State> {
    return TensorflowState.fill(this, asStored(valuesOf(values, options), options.quantized), options);
  }

  async compile(program: Program): Promise<Executable> {
    return new TensorflowExecutable(this, program);
  }

  /**
   * The library has one active backend at a time. This engine's must be active when it creates or computes a tensor.
   */
  activate(): void {
    if (this.tf.getBackend() === this.#backend) return;
    // A backend that is already initialised becomes active at once, before the promise resolves.
    void this.tf.setBackend(this.#backend);
    if (this.tf.getBackend() !== this.#backend) throw new Error(`TensorFlow.js lost its ${this.#backend} backend`);
  }

  upload({ shape, data }: HostTensor): Tf.Tensor {
    this.activate();
    // The JavaScript backend computes on the array it is passed, which belongs to the caller.
    return this.tf.tensor(data.slice(), [...shape], data instanceof Int32Array ? 'int32' : 'float32');
  }

  async dispose(): Promise<void> {}
}

async function download(tensor: Tf.Tensor): Promise<HostTensor> {
  return { shape: tensor.shape, data: ((await tensor.data()) as Float32Array | Int32Array).slice() };
}

class TensorflowState implements State {
  readonly shapes: ReadonlyMap<string, Shape>;
  readonly engine: TensorflowEngine;
  readonly #tensors = new Map<string, Tf.Tensor>();
  readonly #over: TensorflowState | undefined;
  readonly #frozen: boolean;

  private constructor(
    engine: TensorflowEngine,
    shapes: ReadonlyMap<string, Shape>,
    { over, frozen = false }: StateOptions,
  ) {
    if (over && !(over instanceof TensorflowState && over.engine === engine))
      throw new Error('the underlying state must belong to the same engine');
    this.engine = engine;
    this.shapes = shapes;
    this.#over = over;
    this.#frozen = frozen;
  }

  static async fill(engine: TensorflowEngine, values: TensorSource, options: StateOptions): Promise<TensorflowState> {
    const state = new TensorflowState(engine, stateShapes(values, options.over), options);
    for (const name of values.shapes.keys()) state.#tensors.set(name, engine.upload(await values.read(name)));
    return state;
  }

  tensor(name: string): Tf.Tensor {
    const tensor = this.#tensors.get(name);
    if (tensor) return tensor;
    if (this.#over) return this.#over.tensor(name);
    throw new Error(`there is no state named ${name}`);
  }

  replace(name: string, next: Tf.Tensor): void {
    this.#own(name).dispose();
    this.#tensors.set(name, next);
  }

  #own(name: string): Tf.Tensor {
    const tensor = this.tensor(name);
    if (this.#frozen || !this.#tensors.has(name)) throw frozenError(name);
    return tensor;
  }

  async read(name: string): Promise<HostTensor> {
    return download(this.tensor(name));
  }

  async write(name: string, value: HostTensor): Promise<void> {
    const { shape } = this.tensor(name);
    if (String(value.shape) !== String(shape)) throw new Error(`state ${name} is [${shape}], not [${value.shape}]`);
    this.replace(name, this.engine.upload(value));
  }

  async dispose(): Promise<void> {
    for (const tensor of this.#tensors.values()) tensor.dispose();
    this.#tensors.clear();
  }
}

class TensorflowExecutable implements Executable {
  readonly #engine: TensorflowEngine;
  readonly #program: Program;
  readonly #constants = new Map<Tensor, Tf.Tensor>();
  /** For each node, the values that no later node needs. */
  readonly #lastUses: ReadonlyMap<Tensor, readonly Tensor[]>;

  constructor(engine: TensorflowEngine, program: Program) {
    this.#engine = engine;
    this.#program = program;
    this.#lastUses = lastUses(program);
    for (const node of program.nodes) {
      if (node.primitive !== 'constant') continue;
      const { data } = (node as Tensor<'constant'>).attributes;
      this.#constants.set(node, engine.upload({ shape: node.shape, data }));
    }
  }

  async run(feeds: Readonly<Record<string, HostTensor>>, state: State): Promise<Record<string, HostTensor>> {
    const program = this.#program;
    if (!(state instanceof TensorflowState) || state.engine !== this.#engine)
      throw new Error(`${program.name}: this state belongs to another engine`);
    checkFeeds(program, feeds);
    checkState(program, state);
    const values = new Map<Tensor, Tf.Tensor>();
    try {
      this.#compute(feeds, state, values);
      for (const [name, node] of program.updates) state.replace(name, this.#engine.tf.clone(values.get(node)!));
      const outputs: Record<string, HostTensor> = {};
      for (const [name, node] of program.outputs) outputs[name] = await download(values.get(node)!);
      return outputs;
    } finally {
      for (const value of values.values()) value.dispose();
    }
  }

  /** Computes the values of the program's results. Every other value is freed after its last use. */
  #compute(feeds: Readonly<Record<string, HostTensor>>, state: TensorflowState, values: Map<Tensor, Tf.Tensor>): void {
    const { tf } = this.#engine;
    this.#engine.activate();
    for (const node of this.#program.nodes) {
      if (node.primitive === 'input') {
        values.set(node, this.#engine.upload(feeds[(node as Tensor<'input'>).attributes.name]!));
      } else if (node.primitive === 'state') {
        values.set(node, tf.clone(state.tensor((node as Tensor<'state'>).attributes.name)));
      } else if (node.primitive === 'constant') {
        values.set(node, tf.clone(this.#constants.get(node)!));
      } else {
        const inputs = node.inputs.map((operand) => values.get(operand)!);
        values.set(node, compute({ tf, device: this.#engine.device }, node, inputs));
      }
      for (const done of this.#lastUses.get(node) ?? []) {
        values.get(done)?.dispose();
        values.delete(done);
      }
    }
  }

  async dispose(): Promise<void> {
    for (const constant of this.#constants.values()) constant.dispose();
    this.#constants.clear();
  }
}

function lastUses(program: Program): Map<Tensor, Tensor[]> {
  const kept = new Set([...program.outputs.values(), ...program.updates.values()]);
  const last = new Map<Tensor, Tensor>();
  for (const node of program.nodes) for (const operand of node.inputs) if (!kept.has(operand)) last.set(operand, node);
  const byNode = new Map<Tensor, Tensor[]>();
  for (const [operand, node] of last) byNode.set(node, [...(byNode.get(node) ?? []), operand]);
  return byNode;
}
