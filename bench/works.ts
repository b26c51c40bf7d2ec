import { resolveModel } from '../src/catalogue/resolve-model.ts';
import type { Engine } from '../src/engine/engine.ts';
import { LanguageModel } from '../src/model/language-model.ts';
import { Trainer, trainingState } from '../src/training/trainer.ts';
import { generateRollouts, scoreRollouts } from '../src/tuning/rollouts.ts';
import { prepareMatmul } from './matmul-work.ts';
import { puzzleWork } from './puzzle-work.ts';
import { crossEntropy, reference, referenceBatch, referenceModel, referenceOptimizer } from './reference-model.ts';

/** The workloads; a peer uses the same names. */
export type WorkName = 'train-step' | 'forward' | 'forward:1x128' | 'matmul' | 'rollouts' | 'spg-step';

/**
 * One run of a workload, which is timed. The returned function computes the number that the peer's run must match,
 * outside the timed part; null: the result is random.
 */
export type Run = () => Promise<() => number | null>;

export interface PreparedWork {
  readonly run: Run;
  /** Number of parameters of the model; null: there is no model. */
  readonly parameters: number | null;
  dispose(): Promise<void>;
}

/** Prepares a workload on an engine: loads its model but runs nothing. */
export async function prepareWork(work: WorkName, engine: Engine, puzzleModel: string): Promise<PreparedWork> {
  switch (work) {
    case 'train-step':
      return trainStep(engine);
    case 'forward':
      return forward(engine, reference.batch);
    case 'forward:1x128':
      return forward(engine, 1);
    case 'matmul':
      return matmul(engine);
    case 'rollouts':
    case 'spg-step':
      return puzzles(work, engine, puzzleModel);
  }
}

async function trainStep(engine: Engine): Promise<PreparedWork> {
  const checkpoint = referenceModel();
  const model = await LanguageModel.load(engine, checkpoint, trainingState(checkpoint.config));
  const trainer = new Trainer(model, crossEntropy, referenceOptimizer);
  const batch = referenceBatch();
  const run = async () => {
    const { loss } = await trainer.step([batch]);
    return () => loss;
  };
  const dispose = async () => {
    await trainer.dispose();
    await model.dispose();
  };
  return { run, parameters: parametersOf(model), dispose };
}

async function forward(engine: Engine, rows: number): Promise<PreparedWork> {
  const model = await LanguageModel.load(engine, referenceModel());
  const { length } = reference;
  const { data } = referenceBatch().tokens;
  const positions = Array.from({ length }, (_, position) => position);
  const queries = Array.from({ length: rows }, (_, row) => ({
    tokens: (data as Int32Array).subarray(row * length, (row + 1) * length),
    positions,
  }));
  const run = async () => {
    const logits = await model.logits(queries);
    return () => meanAbsolute(logits);
  };
  return { run, parameters: parametersOf(model), dispose: () => model.dispose() };
}

async function matmul(engine: Engine): Promise<PreparedWork> {
  const { multiply, dispose } = await prepareMatmul(engine);
  const run = async () => {
    const peak = await multiply();
    return () => peak;
  };
  return { run, parameters: null, dispose };
}

async function puzzles(work: 'rollouts' | 'spg-step', engine: Engine, folder: string): Promise<PreparedWork> {
  const { checkpoint, jobs, task, reward, objective, optimizer, batches } = await puzzleWork(
    await resolveModel(folder),
  );
  const model = await LanguageModel.load(engine, checkpoint, trainingState(checkpoint.config));
  const trainer = new Trainer(model, objective.loss, optimizer);
  const run = async () => {
    const rollouts = await generateRollouts(model, jobs);
    if (work === 'rollouts') return () => null;
    await scoreRollouts(task, rollouts, reward, model.generation.prompt_format);
    const { loss } = await trainer.step(batches());
    return () => loss;
  };
  const dispose = async () => {
    await trainer.dispose();
    await model.dispose();
  };
  return { run, parameters: parametersOf(model), dispose };
}

function parametersOf(model: LanguageModel): number {
  return [...model.weightNodes().values()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

function meanAbsolute(parts: readonly Float32Array[]): number {
  let sum = 0;
  let count = 0;
  for (const part of parts) {
    for (const value of part) sum += Math.abs(value);
    count += part.length;
  }
  return sum / count;
}
