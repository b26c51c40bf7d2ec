import '@vscode-elements/elements/dist/vscode-badge/index.js';
import '@vscode-elements/elements/dist/vscode-progress-bar/index.js';
import { activityParts } from '../../src/protocol/activity.ts';
import type { PanelRun } from '../../src/protocol/panel.ts';
import type { RunState } from '../../src/protocol/run.ts';
import { element, setText } from '../element.ts';
import { bytes, count, duration } from '../numbers.ts';
import { emptyView, iconButton } from './controls.ts';
import type { Host } from './host.ts';

export interface RunList {
  readonly root: HTMLElement;
  show(runs: readonly PanelRun[]): void;
  /** Updates one run. */
  update(run: PanelRun): void;
  /** Marks the shown run and the compared runs. */
  mark(shown: string | null, compared: readonly string[]): void;
}

export interface RunChoice {
  choose(dir: string): void;
  /** Compares a run with the shown one, or stops doing so. */
  compare(dir: string, compare: boolean): void;
}

/** The list of runs, newest first, with their actions. */
export function runList(host: Host, { choose, compare }: RunChoice): RunList {
  const list = element('ul', { class: 'runs' });
  const empty = emptyView(
    'There are no runs yet. A run tunes a model with reinforcement learning on this machine, and its curves appear here.',
    host,
    'tuneOnTask',
    'runSpgEval',
  );
  const root = element('div', {}, empty, list);
  const rows = new Map<string, Row>();
  let marked: readonly [shown: string | null, compared: readonly string[]] = [null, []];
  const mark = (shown: string | null, compared: readonly string[]) => {
    marked = [shown, compared];
    for (const [dir, row] of rows) row.mark(dir === shown, compared.includes(dir), shown !== null);
  };
  return {
    root,
    show(runs) {
      empty.hidden = runs.length > 0;
      list.hidden = runs.length === 0;
      const there = new Set(runs.map(({ dir }) => dir));
      for (const [dir, row] of rows) {
        if (there.has(dir)) continue;
        row.root.remove();
        rows.delete(dir);
      }
      for (const [index, run] of runs.entries()) {
        const row = rows.get(run.dir) ?? runRow(run.dir, host, { choose, compare });
        rows.set(run.dir, row);
        row.update(run);
        // A row that is in place is not moved, because it would lose the focus.
        if (list.children[index] !== row.root) list.insertBefore(row.root, list.children[index] ?? null);
      }
      mark(...marked);
    },
    update: (run) => rows.get(run.dir)?.update(run),
    mark,
  };
}

interface Row {
  readonly root: HTMLElement;
  update(run: PanelRun): void;
  mark(shown: boolean, compared: boolean, comparable: boolean): void;
}

/** States in which a process works on the run or is starting. */
const activeStates: readonly RunState[] = ['starting', 'running', 'paused', 'stopping'];

function runRow(dir: string, host: Host, { choose, compare }: RunChoice): Row {
  const name = element('span', { class: 'name' });
  const state = element('vscode-badge', { class: 'state' });
  const about = element('span', { class: 'about' });
  const progress = element('vscode-progress-bar', {});
  const progressText = element('span', { class: 'progress' });
  const error = element('p', { class: 'note' });
  const open = element('button', { type: 'button', class: 'open' }, name, about);
  open.addEventListener('click', () => choose(dir));
  const control = (label: string, icon: string, want: 'run' | 'pause' | 'stop') =>
    iconButton(label, icon, () => host.ask({ kind: 'control', dir, want }));
  const compareButton = iconButton('Compare', 'git-compare', () => compare(dir, !isCompared));
  const pause = control('Pause', 'debug-pause', 'pause');
  const resume = control('Resume', 'debug-continue', 'run');
  const stop = control('Stop and save', 'debug-stop', 'stop');
  const remove = iconButton('Delete', 'trash', () => host.ask({ kind: 'delete-run', dir }));
  const offered = [pause, resume, stop, remove];
  const actions = element('div', { class: 'actions', role: 'group' }, compareButton, ...offered);
  const root = element(
    'li',
    {},
    element('div', { class: 'head' }, open, state),
    element('div', { class: 'foot' }, progressText, actions),
    progress,
    error,
  );
  let isCompared = false;
  const nameComparison = () => {
    compareButton.label = `${isCompared ? 'Stop comparing with' : 'Compare with'} ${name.textContent}`;
    compareButton.title = isCompared ? 'Stop comparing' : 'Compare with the shown run';
    compareButton.toggleAttribute('data-on', isCompared);
  };
  return {
    root,
    update(run) {
      setText(name, run.name);
      setText(about, [run.kind, run.task, run.objective].filter((part) => part !== null).join(' · '));
      state.textContent = run.state;
      state.dataset.state = run.state;
      progressText.textContent = progressOf(run);
      progress.hidden = run.steps === null || !activeStates.includes(run.state);
      progress.max = run.steps ?? 1;
      progress.value = run.step;
      progress.ariaLabel = `Progress of ${name.textContent}`;
      setText(error, run.error ?? '');
      error.hidden = run.error === undefined;
      actions.setAttribute('aria-label', `Actions for ${name.textContent}`);
      for (const [action, what] of [
        [pause, 'Pause'],
        [resume, 'Resume'],
        [stop, 'Stop and save'],
        [remove, 'Delete'],
      ] as const)
        action.label = `${what} ${name.textContent}`;
      nameComparison();
      const focused = offered.find((action) => action === document.activeElement);
      pause.hidden = run.state !== 'running' && run.state !== 'starting';
      resume.hidden = run.state !== 'paused' && run.state !== 'interrupted' && run.state !== 'failed';
      stop.hidden = !activeStates.includes(run.state) || run.state === 'stopping';
      remove.hidden = activeStates.includes(run.state);
      // If the focused button is hidden, for example Pause, the focus moves to the next visible one, such as Resume.
      if (focused?.hidden)
        offered
          .find(({ hidden }) => !hidden)
          ?.shadowRoot?.querySelector('button')
          ?.focus();
    },
    mark(shown, compared, comparable) {
      isCompared = compared;
      root.classList.toggle('shown', shown);
      root.classList.toggle('compared', compared);
      open.setAttribute('aria-current', String(shown));
      compareButton.hidden = shown || !comparable;
      nameComparison();
    },
  };
}

/** `120 of 400 steps · step 121: rollouts 12 of 32 · 3 min 5 s left · 12.4 MB` */
export function progressOf(run: PanelRun): string {
  const { step, steps, eta, state, bytes: size } = run;
  return [
    steps === null ? count(step, 'step') : `${step} of ${count(steps, 'step')}`,
    ...activityParts(run),
    ...(eta === null || state !== 'running' ? [] : [`${duration(eta)} left`]),
    bytes(size),
  ].join(' · ');
}
