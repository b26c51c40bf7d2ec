import { readdir } from 'node:fs/promises';
import { z } from 'zod';
import { publishModel } from '../../catalogue/publish-model.ts';
import { resolveModel } from '../../catalogue/resolve-model.ts';
import { deviceMemory } from '../../engine/device-memory.ts';
import type { Engine } from '../../engine/engine.ts';
import { openCheckpoint } from '../../model/checkpoint.ts';
import { LanguageModel } from '../../model/language-model.ts';
import { loraTargets } from '../../model/lora.ts';
import { UsageError } from '../../platform/errors.ts';
import { packageVersion } from '../../platform/package-root.ts';
import type { Interval } from '../../protocol/interval.ts';
import type { Json, RunConfiguration } from '../../protocol/run.ts';
import { latestCheckpoint } from '../../runs/checkpoints.ts';
import { evaluationsOf, readEvents } from '../../runs/reader.ts';
import { type JobLocation, readResumable, refuseSetting, runJob } from '../../runs/run-job.ts';
import { sourcesFolder } from '../code/code-recipe.ts';
import type { Corpus, CorpusHooks } from '../code/corpus.ts';
import { assertFits, memoryNeed } from '../memory.ts';
import { freshProgress, readProgress, resumedState, type TrainingProgress } from '../training-checkpoint.ts';
import { runTrainingJob, type TrainingHooks } from '../training-job.ts';
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

/** The result that `unmask pretrain --recipe convert` prints. */
export interface ConversionResult {
  readonly model: string;
  readonly run: string;
  readonly steps: number;
  readonly seconds: number;
  readonly metrics: Readonly<Record<string, Interval>>;
}

/** Converts an autoregressive base in a new run directory under `root`, and writes the adapter and its card to `output`. */
export async function startConversion(
  engine: Engine,
  root: string,
  request: ConversionRequest,
  hooks: TrainingHooks = {},
  readCorpus: ReadCorpus = readConversionCorpus,
): Promise<ConversionResult> {
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
): Promise<ConversionResult> {
  const request = requestOf(dir, await readResumable(dir, 'pretrain'), steps);
  await assertFree(request.output);
  const last = await latestCheckpoint(dir);
  if (steps !== undefined && steps < (last?.step ?? 0))
    throw new UsageError(`${dir} has made ${last?.step} steps already; give --steps a larger number.`);
  const corpus = await prepare(readCorpus, hooks);
  const { model, progress } = await resumedModel(engine, request, last?.dir ?? null);
  return runConversion({ location: { dir, step: progress.step, steps }, model, corpus, request, progress, hooks });
}

function requestOf(
  dir: string,
  { settings: recorded, model, steps, seed }: RunConfiguration,
  changed?: number,
): ConversionRequest {
  const { output, ...given } = recorded;
  const settings = conversionSettings.safeParse(given);
  if (!settings.success) refuseSetting(dir, settings.error.issues[0]!.path.join('.'));
  return {
    from: model as string,
    output: z.string().parse(output),
    steps: changed ?? (steps as number),
    seed,
    settings: settings.data,
  };
}

async function resumedModel(
  engine: Engine,
  request: ConversionRequest,
  last: string | null,
): Promise<{ model: LanguageModel; progress: TrainingProgress }> {
  if (last === null) {
    const base = await resolveModel(request.from);
    return { model: await convertedModel(engine, base, request), progress: freshProgress };
  }
  const checkpoint = await openCheckpoint(await resolveModel(last));
  const { progress, optimizer } = await readProgress(last);
  return { model: await LanguageModel.load(engine, checkpoint, resumedState(checkpoint, optimizer)), progress };
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
}: ConversionJob): Promise<ConversionResult> {
  const { settings, steps, seed } = request;
  const method = conversion(model, corpus, settings, { steps, seed });
  return runJob({
    location,
    hooks,
    async work(job) {
      const done = await runTrainingJob({
        job,
        model,
        method,
        progress,
        steps,
        timeLimit: null,
        schedule: settings,
        hooks,
      });
      const { dir, configuration } = job.run;
      const { evaluation } = evaluationsOf(await readEvents(dir)).at(-1)!;
      const card = conversionCard({ request, corpus, done, evaluation, configuration });
      await publishModel((await latestCheckpoint(dir))!.dir, request.output, card);
      return { model: request.output, run: dir, steps: done.step, seconds: done.seconds, metrics: evaluation.metrics };
    },
    async dispose() {
      await method.dispose?.();
      await model.dispose();
    },
  });
}

/** Reads the sources to train on, after fetching what is missing into a folder. */
export type ReadCorpus = (folder: string, hooks: CorpusHooks) => Promise<Corpus>;

const prepare = (readCorpus: ReadCorpus, { onPrepare, signal }: TrainingHooks): Promise<Corpus> =>
  readCorpus(sourcesFolder(), { progress: onPrepare ?? (() => undefined), signal });

async function assertFree(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  if (names.length > 0)
    throw new UsageError(`${folder} is not empty; choose another folder for the model, or remove it.`);
}
