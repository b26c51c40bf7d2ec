import { rm } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { readCard } from '../catalogue/card.ts';
import { resolveModel } from '../catalogue/resolve-model.ts';
import type { IndexedText } from '../copies/segment.ts';
import { completesCode } from '../diffusion/infill.ts';
import { deviceMemory } from '../engine/device-memory.ts';
import type { Engine } from '../engine/engine.ts';
import { pairedDifference, shareInterval } from '../evaluation/statistics.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { ResolvedModel } from '../model/resolved-model.ts';
import { count } from '../platform/amounts.ts';
import { UserError } from '../platform/errors.ts';
import { exists, readJson, writeJson } from '../platform/files.ts';
import { packageVersion } from '../platform/package-root.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Json } from '../protocol/run.ts';
import { latestCheckpoint } from '../runs/checkpoints.ts';
import { type JobLocation, type RunningJob, readResumable, refuseSetting, runJob } from '../runs/run-job.ts';
import { indexOf, workspaceTexts } from '../runtime/workspace-answers.ts';
import { languageOf } from '../syntax/trees.ts';
import { assertFits, memoryNeed } from '../training/memory.ts';
import { findContinuation, loadForTraining } from '../training/publishing-run.ts';
import { freshProgress, type TrainingProgress } from '../training/training-checkpoint.ts';
import { runTrainingJob, type TrainingHooks } from '../training/training-job.ts';
import { learnedCard } from './learned-card.ts';
import { keepLearned } from './learned-model.ts';
import { learnerOf, trainedPart } from './learner.ts';
import { batchSize, workspaceLearning } from './learning-method.ts';
import { gapsIn, otherCode, rightAnswers } from './measure-gaps.ts';
import { type LearningSettings, learningSettings } from './settings.ts';
import { relativeName, splitWorkspace, type WorkspaceSplit } from './workspace-split.ts';

export interface LearnRequest {
  /** Absolute path. */
  readonly workspace: string;
  readonly model: string;
  /** Seconds of training, without measurements and checkpoints. */
  readonly seconds: number;
  readonly seed: number;
  readonly settings: LearningSettings;
}

/** What `unmask learn` prints. Shares are those of right answers with copies, except `elsewhere`, which has none. */
export interface LearnResult {
  /** The model that the workspace uses now. */
  readonly model: string;
  readonly kept: boolean;
  /** Number of held-out gaps and files. */
  readonly gaps: number;
  readonly held_out_files: number;
  readonly before: Interval;
  readonly after: Interval;
  readonly difference: Interval;
  /** The same in code that is not of the workspace; null: not measured. */
  readonly elsewhere: Comparison | null;
  readonly steps: number;
  readonly tokens: number;
  readonly training_seconds: number;
  readonly seconds: number;
  readonly run: string;
  readonly dir: string;
}

interface Comparison {
  readonly gaps: number;
  readonly before: Interval;
  readonly after: Interval;
  readonly difference: Interval;
}

/** Learns a workspace in a new run directory under `root`, and keeps the model if it is better in held-out files. */
export async function startLearning(
  engine: Engine,
  root: string,
  request: LearnRequest,
  hooks: TrainingHooks = {},
): Promise<LearnResult> {
  const { model, settings, seed, workspace, seconds } = request;
  const base = await resolveModel(model);
  if (!completesCode(base.config))
    throw new UserError(`${model} was not trained to fill gaps in code; choose a model that was, such as unmask-code.`);
  const memory = await tellMemory(engine, base, settings, hooks);
  const texts = await workspaceTexts(workspace);
  const split = splitWorkspace(workspace, texts);
  hooks.onPrepare?.(
    `Learning from ${count(split.training.length, 'file')}, with ${count(split.heldOut.length, 'more file')} held out to measure on.`,
  );
  const learner = await learnerOf(engine, base, request);
  const run = {
    kind: 'fine-tune',
    task: 'workspace-files',
    model: base.folder,
    objective: null,
    seed,
    steps: null,
    settings: {
      ...(settings as LearningSettings & Record<string, Json>),
      workspace,
      base: model,
      time_limit: seconds,
      held_out: split.heldOut.map(({ name }) => relativeName(workspace, name)),
    },
    device: { engine: engine.name, device: engine.device },
    memory,
    versions: { unmask: packageVersion(), node: process.versions.node },
  } as const;
  return runLearning({ location: { root, run }, learner, request, texts, split, progress: freshProgress, hooks });
}

/** Continues learning from the last checkpoint, on the workspace's files as they were when the run started. */
export async function resumeLearning(engine: Engine, dir: string, hooks: TrainingHooks = {}): Promise<LearnResult> {
  const configuration = await readResumable(dir, 'fine-tune');
  const { workspace, base, time_limit: seconds, held_out, ...recorded } = configuration.settings;
  const settings = learningSettings.safeParse(recorded);
  if (!settings.success) refuseSetting(dir, settings.error.issues[0]!.path.join('.'));
  const request: LearnRequest = {
    workspace: z.string().parse(workspace),
    model: z.string().parse(base),
    seconds: z.number().parse(seconds),
    seed: configuration.seed,
    settings: settings.data,
  };
  const texts = await readSnapshot(dir);
  const split = splitWorkspace(request.workspace, texts, new Set(z.array(z.string()).parse(held_out)));
  const { checkpoint, notes } = await findContinuation(dir, undefined, hooks);
  const resolved = await resolveModel(checkpoint ?? configuration.model ?? request.model);
  await tellMemory(engine, resolved, settings.data, hooks);
  const { model: learner, progress } = checkpoint
    ? await loadForTraining(engine, checkpoint)
    : { model: await learnerOf(engine, resolved, request), progress: freshProgress };
  const location = { dir, step: progress.step, notes };
  return runLearning({ location, learner, request, texts, split, progress, hooks });
}

interface LearningJob {
  readonly location: JobLocation;
  readonly learner: LanguageModel;
  readonly request: LearnRequest;
  readonly texts: readonly IndexedText[];
  readonly split: WorkspaceSplit;
  readonly progress: TrainingProgress;
  readonly hooks: TrainingHooks;
}

function runLearning({ location, learner, request, texts, split, progress, hooks }: LearningJob): Promise<LearnResult> {
  const { settings, seed, seconds: timeLimit } = request;
  let method: ReturnType<typeof workspaceLearning> | undefined;
  const begin = performance.now();
  return runJob({
    location,
    hooks,
    async work(job) {
      const { dir, configuration } = job.run;
      method = workspaceLearning(learner, split.training, settings, seed);
      await writeJson(snapshotFile(dir), texts);
      const measure = await measurement(learner, request, texts, split);
      const before = await beforeTraining(job, measure);
      const done = await runTrainingJob({
        ...{ job, model: learner, method, progress, timeLimit, hooks },
        steps: null,
        schedule: { ...settings, evaluate_every: 0 },
      });
      const after = await measure(job, 'after learning');
      const compared = comparisonOf(before.workspace, after.workspace);
      const kept = compared.difference.low > 0;
      const facts = { steps: done.step, tokens: done.num_tokens };
      const model = kept
        ? await keep(dir, request, split, { ...facts, seconds: done.seconds, compared })
        : request.model;
      await rm(snapshotFile(dir), { force: true });
      return {
        model,
        kept,
        held_out_files: split.heldOut.length,
        ...compared,
        elsewhere: before.elsewhere.length < 2 ? null : comparisonOf(before.elsewhere, after.elsewhere),
        ...facts,
        training_seconds: done.seconds,
        seconds: (performance.now() - begin) / 1000,
        run: configuration.name,
        dir,
      };
    },
    async dispose() {
      await method?.dispose?.();
      await learner.dispose();
    },
  });
}

/** Whether the answers in each gap are right. */
const answersSchema = z.object({ workspace: z.array(z.boolean()), elsewhere: z.array(z.boolean()) });
type RightAnswers = z.infer<typeof answersSchema>;
type Measure = (job: RunningJob, when: string) => Promise<RightAnswers>;

/** Measures the model in gaps of the held-out files, with copies from all files, and in gaps of other code. */
async function measurement(
  model: LanguageModel,
  { settings, seed, workspace }: LearnRequest,
  texts: readonly IndexedText[],
  { heldOut }: WorkspaceSplit,
): Promise<Measure> {
  const own = await gapsIn(heldOut, settings.gaps, seed);
  if (own.length < 2)
    throw new UserError(
      `The held-out files of ${workspace} have fewer than two gaps; learning needs more source code.`,
    );
  const other = settings.elsewhere_gaps < 2 ? [] : await gapsIn(await otherCode(), settings.elsewhere_gaps, seed);
  const index = indexOf(texts);
  return async (job, when) => ({
    workspace: await rightAnswers(model, own, index, `measuring ${when}`, job),
    elsewhere: await rightAnswers(model, other, null, `measuring ${when}, in other code`, job),
  });
}

/** The answers of the model before its first step. They are kept in the run directory, because a resumed model has made steps. */
async function beforeTraining(job: RunningJob, measure: Measure): Promise<RightAnswers> {
  const file = path.join(job.run.dir, 'before.json');
  if (await exists(file)) return answersSchema.parse(await readJson(file));
  const before = await measure(job, 'before learning');
  await writeJson(file, before);
  return before;
}

function comparisonOf(before: readonly boolean[], after: readonly boolean[]): Comparison {
  const scores = (right: readonly boolean[]) => right.map((one) => ({ value: Number(one), weight: 1 }));
  return {
    gaps: before.length,
    before: shareInterval(scores(before)),
    after: shareInterval(scores(after)),
    difference: pairedDifference(scores(before), scores(after)),
  };
}

/** Keeps the last checkpoint as the model of the workspace, and returns its name. */
async function keep(
  dir: string,
  { workspace, model: base }: LearnRequest,
  { heldOut }: WorkspaceSplit,
  { compared, ...facts }: { steps: number; tokens: number; seconds: number; compared: Comparison },
): Promise<string> {
  const { languages, licence } = await readCard((await resolveModel(base)).folder);
  const learned = heldOut.flatMap(({ name }) => languageOf(name) ?? []);
  const card = learnedCard({
    name: `${path.basename(base)}, learned on ${path.basename(workspace)}`,
    base,
    workspace,
    licence,
    // The held-out gaps show that it completes the workspace's languages.
    languages: languages && [...new Set([...languages, ...learned])],
    ...facts,
    ...compared,
  });
  const held_out = heldOut.map(({ name }) => relativeName(workspace, name));
  const checkpoint = (await latestCheckpoint(dir))!.dir;
  return keepLearned(checkpoint, card, { workspace, base, held_out, difference: compared.difference });
}

/** Reports how much memory the run needs, before any weight is read, and returns it in bytes. */
async function tellMemory(
  { name, device }: Engine,
  { config, adapter }: ResolvedModel,
  settings: LearningSettings,
  { onPrepare }: TrainingHooks,
): Promise<number> {
  const part = trainedPart(config, settings, name === 'onnx' && device === 'cpu');
  const { length, predictions } = batchSize(config, settings);
  const rows = settings.batch_size;
  const need = memoryNeed(config, {
    adapter: adapter ?? part?.shape,
    precision: part?.precision ?? 'f32',
    row: { length, answer: Math.ceil(predictions / rows) },
    rows,
    fixedShape: true,
  });
  onPrepare?.(assertFits(need, await deviceMemory(device)));
  return need.about;
}

/** The workspace's files as they were when the run started. It is removed when the run is finished. */
const snapshotFile = (dir: string): string => path.join(dir, 'workspace-files.json');

async function readSnapshot(dir: string): Promise<IndexedText[]> {
  const file = snapshotFile(dir);
  const texts = await readJson(file).catch(() => null);
  const parsed = z.array(z.object({ name: z.string(), text: z.string() })).safeParse(texts);
  if (!parsed.success)
    throw new UserError(`${file} is missing or damaged, so the run cannot be resumed; start a new one.`);
  return parsed.data;
}
