import { ProgramCache } from '../engine/program-cache.ts';
import { gradients } from '../graph/differentiate.ts';
import { type OptimizerOptions, optimizerState, optimizerStep } from '../graph/optimizer.ts';
import { add, gather, input, less, logSoftmax, pick, state, where } from '../graph/primitives.ts';
import { defineProgram } from '../graph/program.ts';
import { type HostTensor, type Shape, sizeOf, type Tensor } from '../graph/tensor.ts';
import type { ModelConfig } from '../model/config.ts';
import { type LanguageModel, readsCanvas } from '../model/language-model.ts';
import { type LoraShape, trainedShapes } from '../model/lora.ts';
import { type DoubledCanvas, hiddenStates, logitsAt, rawLogitsAt } from '../model/transformer.ts';

/** A part of a training step, as the engine's inputs. */
export interface Batch {
  /** Token ids [batch, length], i32. */
  readonly tokens: HostTensor;
  /** 1 for tokens, 0 for padding [batch, length]; absent: no padding. */
  readonly present?: HostTensor;
  /** 1 for the canvas, 0 for context [batch, length]. Only `prefix-lm` attention uses it. */
  readonly canvas?: HostTensor;
  /** Target positions in the flattened batch [n], i32. */
  readonly rows: HostTensor;
  /** The target tokens at these positions [n], i32. */
  readonly targets: HostTensor;
  /** Bias [k, vocabulary] added to the logits of predictions at which only some tokens are allowed; absent: none. */
  readonly logitBias?: HostTensor;
  /** The row of `logitBias` for each prediction [n], i32; present if `logitBias` is. */
  readonly biasRows?: HostTensor;
  /** Set if each row holds a completion twice, clean and masked (block diffusion in one pass). */
  readonly doubled?: DoubledCanvas;
  /**
   * The layout of a single packed row; both inputs or none are present: `PackedRow.hidden` [length, length] and `PackedRow.positions` [length].
   * `rows` are then the positions whose outputs predict the targets, without the shift of the model's logits.
   */
  readonly hidden?: HostTensor;
  readonly positions?: HostTensor;
  /** Added to the embeddings of the tokens [batch, length, hidden_size]; absent: nothing. */
  readonly noise?: HostTensor;
  /** Further inputs of the loss, by name. */
  readonly extra: Readonly<Record<string, HostTensor>>;
  /** The loss of this batch; absent: the trainer's. The batches of a step may have different losses. */
  readonly loss?: Loss;
}

/**
 * The inputs of a loss: log-probabilities [n] of the targets, those of all tokens [n, vocabulary], and its further
 * inputs.
 */
export interface LossInputs {
  readonly logp: Tensor;
  readonly logProbabilities: Tensor;
  /** The target tokens [n], i32. */
  readonly targets: Tensor;
  readonly extra: (name: string) => Tensor;
}

/**
 * A loss as a composition of primitives, and the metrics logged with it. A step may have several batches, whose
 * losses are summed, so normalisation is part of the inputs.
 */
export interface Loss {
  readonly name: string;
  define(inputs: LossInputs): { readonly loss: Tensor; readonly metrics?: Readonly<Record<string, Tensor>> };
}

export interface StepResult {
  readonly loss: number;
  readonly gradNorm: number;
  readonly learningRate: number;
  /** The metrics of each batch's loss. */
  readonly metrics: readonly Readonly<Record<string, HostTensor>>[];
}

const accumulator = (parameter: string) => `gradient.${parameter}`;

/**
 * The state that a trainer needs in addition to a model's weights, initially zero: the optimiser's, and accumulated
 * gradients. With an adapter, it covers only the adapter.
 */
export function trainingState(config: ModelConfig, adapter?: LoraShape): Map<string, HostTensor> {
  const weights = trainedShapes(config, adapter);
  const shapes = new Map<string, Shape>(optimizerState(weights));
  for (const [name, shape] of weights) shapes.set(accumulator(name), shape);
  return new Map([...shapes].map(([name, shape]) => [name, { shape, data: new Float32Array(sizeOf(shape)) }]));
}

/** Names of the state that a checkpoint must keep so that a resumed run continues on the same trajectory. */
export function resumableState({ trained }: LanguageModel): string[] {
  return [...optimizerState(trained).keys()];
}

/**
 * Makes optimiser steps on a model. Forward pass, backward pass and update are one program, which runs once per step.
 */
export class Trainer {
  readonly #model: LanguageModel;
  readonly #loss: Loss;
  readonly #optimizer: OptimizerOptions;
  readonly #programs: ProgramCache;

  constructor(model: LanguageModel, loss: Loss, optimizer: OptimizerOptions) {
    this.#model = model;
    this.#loss = loss;
    this.#optimizer = optimizer;
    this.#programs = new ProgramCache(model.engine);
  }

  /** One step on one or more batches, whose gradients are summed; `onBatch` receives the number of completed batches. */
  async step(batches: readonly Batch[], onBatch: (done: number) => void = () => undefined): Promise<StepResult> {
    if (batches.length === 1) {
      const { loss, gradNorm, learningRate, ...metrics } = await this.#run('step', batches[0] as Batch);
      onBatch(1);
      return { loss: value(loss), gradNorm: value(gradNorm), learningRate: value(learningRate), metrics: [metrics] };
    }
    let sum = 0;
    const metrics: Record<string, HostTensor>[] = [];
    for (const batch of batches) {
      const { loss, ...parts } = await this.#run('accumulate', batch);
      sum += value(loss);
      metrics.push(parts);
      onBatch(metrics.length);
    }
    const apply = await this.#programs.get('apply', () => this.#applyProgram());
    const { gradNorm, learningRate } = await apply.run({}, this.#model.state);
    return { loss: sum, gradNorm: value(gradNorm), learningRate: value(learningRate), metrics };
  }

  /** The gradient of the batches' summed losses with respect to every trained weight, without a step. */
  async gradients(batches: readonly Batch[]): Promise<Map<string, HostTensor>> {
    const found = new Map<string, HostTensor>();
    for (const batch of batches) await this.#run('accumulate', batch);
    for (const [name, shape] of this.#model.trained) {
      found.set(name, await this.#model.state.read(accumulator(name)));
      await this.#model.state.write(accumulator(name), { shape, data: new Float32Array(sizeOf(shape)) });
    }
    return found;
  }

  /** Resets the optimiser: its moments, and the number of updates, which determines the position in the schedule. */
  async restart(): Promise<void> {
    for (const [name, shape] of optimizerState(this.#model.trained))
      await this.#model.state.write(name, { shape, data: new Float32Array(sizeOf(shape)) });
  }

  /** Loss and metrics of a batch without a step. */
  async evaluate(batch: Batch): Promise<{ loss: number; metrics: Record<string, HostTensor> }> {
    const { loss, ...metrics } = await this.#run('evaluate', batch);
    return { loss: value(loss), metrics };
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
  }

  async #run(kind: 'step' | 'accumulate' | 'evaluate', batch: Batch): Promise<Record<string, HostTensor>> {
    const { extra, canvas, doubled, loss = this.#loss, ...leading } = batch;
    const feeds: Record<string, HostTensor> = { ...leading, ...extra };
    if (canvas && !doubled && readsCanvas(this.#model.config)) feeds.canvas = canvas;
    const layout = doubled ? JSON.stringify(doubled) : '';
    const key = `${kind} ${loss.name} ${layout} ${Object.entries(feeds).map(([name, { shape }]) => `${name}[${shape}]`)}`;
    return (await this.#programs.get(key, () => this.#lossProgram(kind, batch))).run(feeds, this.#model.state);
  }

  #lossProgram(kind: 'step' | 'accumulate' | 'evaluate', batch: Batch) {
    const nodes = this.#model.weightNodes();
    const { loss, metrics } = this.#defineLoss(nodes, batch);
    const name = `${(batch.loss ?? this.#loss).name} ${kind}`;
    if (kind === 'evaluate') return defineProgram(name, { outputs: { loss, ...metrics } });
    const parameters = this.#parameters(nodes);
    const names = [...parameters.keys()];
    const gradientNodes = gradients(loss, [...parameters.values()]);
    const gradientOf = new Map(names.map((name, index) => [name, gradientNodes[index] as Tensor]));
    if (kind === 'step') {
      const { updates, gradNorm, learningRate } = optimizerStep(parameters, gradientOf, this.#optimizer);
      return defineProgram(name, { outputs: { loss, gradNorm, learningRate, ...metrics }, updates });
    }
    const updates = new Map(
      [...gradientOf].map(([name, g]) => [accumulator(name), add(state(accumulator(name), g.shape), g)] as const),
    );
    return defineProgram(name, { outputs: { loss, ...metrics }, updates });
  }

  /** The nodes of the trained weights. */
  #parameters(nodes: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    return new Map([...this.#model.trained.keys()].map((name) => [name, nodes.get(name) as Tensor]));
  }

  #defineLoss(nodes: ReadonlyMap<string, Tensor>, batch: Batch) {
    const { config } = this.#model;
    const { tokens, present, canvas, rows, targets, logitBias, biasRows, doubled, noise, extra } = batch;
    const packed = batch.hidden && batch.positions && { hidden: batch.hidden, positions: batch.positions };
    const loss = batch.loss ?? this.#loss;
    const weight = Object.assign(this.#model.lookUp(nodes), noise && { noise: input('noise', noise.shape) });
    const states = hiddenStates(config, weight, {
      tokens: input('tokens', tokens.shape, 'i32'),
      present: present && input('present', present.shape),
      canvas: canvas && !doubled && readsCanvas(config) ? input('canvas', canvas.shape) : undefined,
      doubled,
      packed: packed && {
        hidden: input('hidden', packed.hidden.shape),
        positions: input('positions', packed.positions.shape, 'i32'),
      },
    });
    const targetIds = input('targets', targets.shape, 'i32');
    const free = (packed ? rawLogitsAt : logitsAt)(config, weight, states, input('rows', rows.shape, 'i32'));
    const bias =
      logitBias && biasRows && gather(input('logitBias', logitBias.shape), input('biasRows', biasRows.shape, 'i32'));
    const logProbabilities = logSoftmax(bias ? add(free, bias) : free);
    const inputs = new Map(
      Object.entries(extra).map(([name, { shape, data }]) => [
        name,
        input(name, shape, data instanceof Int32Array ? 'i32' : 'f32'),
      ]),
    );
    return loss.define({
      logp: pick(logProbabilities, targetIds),
      logProbabilities,
      targets: targetIds,
      extra: (name) => inputs.get(name) as Tensor,
    });
  }

  #applyProgram() {
    const parameters = this.#parameters(this.#model.weightNodes());
    const gradientOf = new Map(
      [...parameters].map(([name, { shape }]) => [name, state(accumulator(name), shape)] as const),
    );
    const { updates, gradNorm, learningRate } = optimizerStep(parameters, gradientOf, this.#optimizer);
    for (const [name, sum] of gradientOf) updates.set(accumulator(name), zeroed(sum));
    return defineProgram('apply', { outputs: { gradNorm, learningRate }, updates });
  }
}

/** Zeros in the shape of x, also if x has NaN. A constant would be stored in the program's file and in memory. */
const zeroed = (x: Tensor): Tensor => where(less(x, x), x, 0);

const value = (tensor: HostTensor | undefined): number => tensor!.data[0] as number;
