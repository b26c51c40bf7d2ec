import type { Engine } from '../engine/engine.ts';
import { compareEvaluations, type EvaluationResult, type GradedAnswer } from '../evaluation/evaluate.ts';
import { framesOf } from '../evaluation/frames.ts';
import { gridLayoutOf } from '../evaluation/grid-layout.ts';
import type { Tokenizer } from '../model/tokenizer.ts';
import { count } from '../platform/amounts.ts';
import type { Denoising, MetricComparison, ReportData, ReportSamples } from '../protocol/report.ts';
import { readConfiguration } from '../runs/directory.ts';
import { evaluationsOf, readEvents, readSamples, sampleSteps, stepsOf } from '../runs/reader.ts';
import type { Task } from '../tasks/task.ts';
import type { StartSettings } from '../tuning/start-settings.ts';
import type { TuningResult } from '../tuning/tuning-run.ts';
import { duration } from './training-progress.ts';

/** How many steps, evenly spaced over the run, the report shows samples of. */
const shownSteps = 8;
/** How many completions the report shows for each of those steps. */
const shownSamples = 24;
/** How many denoisings the report shows. */
const shownDenoisings = 4;

interface StartOutcome {
  readonly task: Task;
  readonly settings: StartSettings;
  readonly tuned: TuningResult;
  readonly before: EvaluationResult;
  readonly after: EvaluationResult;
  readonly control: EvaluationResult;
  readonly controlSteps: number;
  readonly tokenizer: Tokenizer;
  readonly engine: Engine;
}

/** The report of `npm start`, from the measured results and the run's files. */
export async function startReport({
  task,
  settings: { text },
  tuned,
  before,
  after,
  control,
  controlSteps,
  tokenizer,
  engine,
}: StartOutcome): Promise<ReportData> {
  const configuration = await readConfiguration(tuned.dir);
  const events = await readEvents(tuned.dir);
  const trained = duration(tuned.seconds);
  return {
    title: text.title,
    summary: [
      `A small masked diffusion model that had been trained on ${text.labelled} was tuned for ${count(tuned.steps, 'step')} (${trained}) by reinforcement learning with SPG. ${text.reward} The model was evaluated before and after on ${before.n} held-out ${text.problem[1]}, ${text.heldOut}.`,
      `The control is the same base model with ${trained} of further supervised training (${count(controlSteps, 'step')}) on the ${text.labelled} that the base was trained on.`,
    ],
    createdAt: new Date().toISOString(),
    headline: {
      task: task.name,
      n: before.n,
      descriptions: {
        before: 'The bundled base model.',
        after: `The base model after ${count(tuned.steps, 'step')} of ${configuration.objective}.`,
        control: `The base model after ${trained} of further supervised training on its own ${text.labelled}.`,
      },
      metrics: task.metrics.map((name) => comparison(name, before, after, control)),
    },
    settings: configuration.settings,
    environment: [
      { label: 'Engine', value: `${engine.name} on ${engine.device}` },
      { label: 'Tuning time in seconds', value: tuned.seconds.toFixed(1) },
      ...Object.entries(configuration.versions).map(([label, value]) => ({ label, value })),
      { label: 'Run', value: configuration.name },
    ],
    steps: stepsOf(events),
    evaluations: evaluationsOf(events),
    samples: await samplesOf(tuned.dir),
    denoisings: denoisingsOf(task.name, text.problem[0], after.answers, tokenizer),
  };
}

function comparison(
  name: string,
  before: EvaluationResult,
  after: EvaluationResult,
  control: EvaluationResult,
): MetricComparison {
  return {
    name,
    before: before.metrics[name]!,
    after: after.metrics[name]!,
    control: control.metrics[name]!,
    difference: compareEvaluations(before, after, name),
    versusControl: compareEvaluations(control, after, name),
  };
}

async function samplesOf(dir: string): Promise<ReportSamples[]> {
  const steps = await sampleSteps(dir);
  const stride = Math.max(1, (steps.length - 1) / (shownSteps - 1));
  const chosen = [
    ...new Set(
      Array.from(
        { length: Math.min(shownSteps, steps.length) },
        (_, index) => steps[Math.round(index * stride)] as number,
      ),
    ),
  ];
  return Promise.all(
    chosen.map(async (step) => ({
      step,
      records: (await readSamples(dir, step))
        .slice(0, shownSamples)
        .map(({ prompt, completion, rewards, advantage }) => ({ prompt, completion, rewards, advantage })),
    })),
  );
}

/** Denoisings of solved problems and one unsolved problem, if there are any. */
function denoisingsOf(
  task: string,
  problem: string,
  answers: readonly GradedAnswer[],
  tokenizer: Tokenizer,
): Denoising[] {
  const missed = answers.filter(({ grade }) => !grade.correct).slice(0, 1);
  const solved = answers.filter(({ grade }) => grade.correct).slice(0, shownDenoisings - missed.length);
  return [...solved, ...missed].map(({ prompt, denoised, grade }, index) => ({
    title: `Held-out ${problem} ${index + 1}`,
    prompt,
    outcome: grade.correct ? 'solved' : 'not solved',
    frames: framesOf(denoised, tokenizer),
    ...gridLayoutOf(task, prompt),
  }));
}
