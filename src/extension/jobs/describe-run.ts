import { duration } from '../../platform/amounts.ts';
import { activityParts } from '../../protocol/activity.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import { printableLine } from '../../protocol/printable.ts';
import type { RunKind, RunState, RunSummary } from '../../protocol/run.ts';

const kinds: Readonly<Record<RunKind, string>> = {
  tune: 'Tuning',
  pretrain: 'Pretraining',
  'fine-tune': 'Fine-tuning',
  evaluate: 'Evaluation',
  compare: 'Comparison',
  discover: 'Test discovery',
};

/** Title of a run in lists: the name that its user chose, else what it does. */
export const titleOf = (run: RunSummary): string => printableLine(plainTitle(run));

function plainTitle({ name, run, kind, task, model, objective }: RunSummary): string {
  if (name !== run || kind === null) return name;
  if (kind === 'tune') return [task, objective].filter(Boolean).join(' · ');
  // Evaluations differ by their model; the model of a run's evaluation is the folder of its checkpoint.
  if (kind === 'evaluate' && model !== null) return [model.split(/[\\/]/).at(-1), task].filter(Boolean).join(' · ');
  return [kinds[kind], task].filter(Boolean).join(' · ');
}

/** The tags of a run, for display. */
export const tagsOf = ({ tags = [] }: RunSummary): string[] => tags.map((tag) => printableLine(`#${tag}`));

/** Describes a run: "Tuning on sudoku4x4 with spg-mixture". */
export function sentenceOf({ name, kind, task, objective }: RunSummary): string {
  if (kind === null) return `The run ${printableLine(name)}`;
  return `${kinds[kind]}${task === null ? '' : ` on ${task}`}${objective === null ? '' : ` with ${objective}`}`;
}

/** Progress of a run: "12/100", or "step 12" if a time limit ends it. */
export function progressOf({ step, steps }: RunSummary): string {
  return steps === null ? `step ${step}` : `${step}/${steps}`;
}

/** Progress and activity of a run for the text after its title, with its state if the icon alone does not show it. */
export function stateOf(run: PanelRun): string {
  const { state, eta } = run;
  const word = state === 'running' || state === 'finished' ? [] : [state];
  const left = eta === null || state !== 'running' ? [] : [`${duration(eta)} left`];
  return [...word, progressOf(run), ...activityParts(run), ...left].join(' · ');
}

/** Names of codicons. */
export const stateIcons: Readonly<Record<RunState, string>> = {
  starting: 'loading~spin',
  running: 'sync~spin',
  paused: 'debug-pause',
  stopping: 'loading~spin',
  finished: 'pass',
  failed: 'error',
  interrupted: 'circle-slash',
};
