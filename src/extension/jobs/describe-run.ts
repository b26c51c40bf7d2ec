import { duration } from '../../platform/amounts.ts';
import type { PanelRun } from '../../protocol/panel.ts';
import type { RunKind, RunState, RunSummary } from '../../protocol/run.ts';

const kinds: Readonly<Record<RunKind, string>> = {
  tune: 'Tuning',
  pretrain: 'Pretraining',
  'fine-tune': 'Fine-tuning',
  evaluate: 'Evaluation',
  compare: 'Comparison',
  discover: 'Test discovery',
};

/** What a run is called in lists: the name that its user chose, else what it does. */
export function titleOf({ name, run, kind, task, model, objective }: RunSummary): string {
  if (name !== run || kind === null) return name;
  if (kind === 'tune') return [task, objective].filter(Boolean).join(' · ');
  // Evaluations differ by the model: one of a run is its checkpoint, a folder.
  if (kind === 'evaluate' && model !== null) return [model.split(/[\\/]/).at(-1), task].filter(Boolean).join(' · ');
  return [kinds[kind], task].filter(Boolean).join(' · ');
}

/** What a run is, in a sentence: "Tuning on sudoku4x4 with spg-mixture". */
export function sentenceOf({ name, kind, task, objective }: RunSummary): string {
  if (kind === null) return `The run ${name}`;
  return `${kinds[kind]}${task === null ? '' : ` on ${task}`}${objective === null ? '' : ` with ${objective}`}`;
}

/** How far a run is: "12/100", or "step 12" where a time limit ends it. */
export function progressOf({ step, steps }: RunSummary): string {
  return steps === null ? `step ${step}` : `${step}/${steps}`;
}

/** How far a run is, for the line behind its title; its state where the icon alone does not say it. */
export function stateOf(run: PanelRun): string {
  const { state, eta } = run;
  const word = state === 'running' || state === 'finished' ? [] : [state];
  const left = eta === null || state !== 'running' ? [] : [`${duration(eta)} left`];
  return [...word, progressOf(run), ...left].join(' · ');
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
