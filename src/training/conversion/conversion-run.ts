import { z } from 'zod';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { deviceMemory } from '../../engine/device-memory.ts';
import type { Engine } from '../../engine/engine.ts';
import type { LanguageModel } from '../../model/language-model.ts';
import { loraTargets } from '../../model/lora.ts';
import { packageVersion } from '../../platform/package-root.ts';
import type { Json, RunConfiguration } from '../../protocol/run.ts';
import { type JobLocation, readResumable, refuseSetting } from '../../runs/run-job.ts';
import { sourcesFolder } from '../code/code-recipe.ts';
import type { Corpus, CorpusHooks } from '../code/corpus.ts';
import { assertFits, memoryNeed } from '../memory.ts';
import {
  assertFree,
  findContinuation,
  loadForTraining,
  type PretrainingResult,
  trainAndPublish,
} from '../publishing-run.ts';
import { freshProgress, type TrainingProgress } from '../training-checkpoint.ts';
import type { TrainingHooks } from '../training-job.ts';
import { conversionCard } from './conversion-card.ts';
import { readConversionCorpus } from './conversion-corpus.ts';
import { conversion } from './conversion-method.ts';
import { assertConvertible, convertedModel } from './converted-model.ts';
import {
  type ConversionRequest,
  type ConversionSettings,
  conversionRecipe,
  conversionSettings,
  stagesOf,
} from './settings.ts';

/** Steps of a conversion by default: about 10 million tokens. */
export const usualConversionSteps = 5000;

/** Converts an autoregressive base in a new run directory under `root`, and writes the adapter and its card to `output`. */
export async function startConversion(
  engine: Engine,
  root: string,
  request: ConversionRequest,
  hooks: TrainingHooks = {},
  readCorpus: ReadCorpus = readConversionCorpus,
): Promise<PretrainingResult> {
  stagesOf(request.settings.block_growth);
  await assertFree(request.output);
  const base = await resolveModel(request.from);
  assertConvertible(base);
  const memory = await tellMemory(engine, base.config, request.settings, hooks);
  const corpus = await prepare(readCorpus, hooks);
  const model = await convertedModel(engine, base, request);
  const run = {
    kind: 'pretrain',
    task: conversionRecipe,
    model: base.name,
    objective: null,
    seed: request.seed,
    steps: request.steps,
    settings: { ...(request.settings as ConversionSettings & Record<string, Json>), output: request.output },
    device: { engine: engine.name, device: engine.device },
    memory,
    versions: { unmask: packageVersion(), node: process.versions.node },
  } as const;
  return runConversion({ location: { root, run }, model, corpus, request, progress: freshProgress, hooks });
}

/**
 * Continues a conversion from its last checkpoint, on the same trajectory. If `steps` differs, the schedules end at the new last
 * step instead.
 */
export async function resumeConversion(
  engine: Engine,
  dir: string,
  hooks: TrainingHooks = {},
  steps?: number,
  readCorpus: ReadCorpus = readConversionCorpus,
): Promise<PretrainingResult> {
  const request = requestOf(dir, await readResumable(dir, 'pretrain'), steps);
  await assertFree(request.output);
  const { checkpoint, notes } = await findContinuation(dir, steps, hooks);
  const corpus = await prepare(readCorpus, hooks);
  const { model, progress } =
    checkpoint === null
      ? { model: await convertedModel(engine, await resolveModel(request.from), request), progress: freshProgress }
      : await loadForTraining(engine, checkpoint);
  return runConversion({
    location: { dir, step: progress.step, steps, notes },
    model,
    corpus,
    request,
    progress,
    hooks,
  });
}

function requestOf(
  dir: string,
  { settings: recorded, model, steps, seed }: RunConfiguration,
  changed?: number,
): ConversionRequest {
  const { output, ...settingsOfRun } = recorded;
  const settings = conversionSettings.safeParse(settingsOfRun);
  if (!settings.success) refuseSetting(dir, settings.error.issues[0]!.path.join('.'));
  return {
    from: model as string,
    output: z.string().parse(output),
    steps: changed ?? (steps as number),
    seed,
    settings: settings.data,
  };
}

/** Reports how much memory the run needs, before any weight is read, and returns it in bytes. */
async function tellMemory(
  { name, device }: Engine,
  config: Parameters<typeof memoryNeed>[0],
  { lora_r: rank, lora_alpha: alpha, base_precision, row_length: length, predictions: answer }: ConversionSettings,
  { onPrepare }: TrainingHooks,
): Promise<number> {
  const precision = name === 'onnx' && device === 'cpu' ? base_precision : 'f32';
  const need = memoryNeed(config, {
    adapter: { rank, alpha, targets: loraTargets },
    precision,
    row: { length, answer },
    rows: 1,
  });
  onPrepare?.(assertFits(need, await deviceMemory(device)));
  return need.about;
}

interface ConversionJob {
  readonly location: JobLocation;
  readonly model: LanguageModel;
  readonly corpus: Corpus;
  readonly request: ConversionRequest;
  readonly progress: TrainingProgress;
  readonly hooks: TrainingHooks;
}

function runConversion({
  location,
  model,
  corpus,
  request,
  progress,
  hooks,
}: ConversionJob): Promise<PretrainingResult> {
  const { settings, steps, seed } = request;
  return trainAndPublish({
    location,
    model,
    method: conversion(model, corpus, settings, { steps, seed }),
    progress,
    steps,
    schedule: settings,
    hooks,
    output: request.output,
    card: (finished) => conversionCard({ ...finished, request, corpus }),
  });
}

/** Reads the sources to train on. Downloads the missing ones into a folder first. */
export type ReadCorpus = (folder: string, hooks: CorpusHooks) => Promise<Corpus>;

const prepare = (readCorpus: ReadCorpus, { onPrepare, signal }: TrainingHooks): Promise<Corpus> =>
  readCorpus(sourcesFolder(), { progress: onPrepare ?? (() => undefined), signal });
