import type { RunEvent } from '../../src/protocol/events.ts';
import type { PanelRun, PanelRunContents, PanelUpdate, RunWarning } from '../../src/protocol/panel.ts';
import { describeSplit } from '../../src/protocol/row-split.ts';
import { comparedLabel } from '../comparison.ts';
import { element, missing, setText } from '../element.ts';
import { pairs, settingRows } from '../settings.ts';
import { collapsible } from './collapsible.ts';
import { icon } from './controls.ts';
import { evaluationTables } from './evaluations.ts';
import type { Host } from './host.ts';
import { evaluationsOf, liveCurves } from './live-curves.ts';
import { progressOf } from './run-list.ts';
import { samplePages } from './sample-pages.ts';
import type { SampleReference } from './saved-denoising.ts';
import type { ViewStore } from './view-state.ts';

export interface RunView {
  readonly root: HTMLElement;
  show(contents: PanelRunContents | null): void;
  /** Adds a run to the compared ones; null removes it. */
  compare(dir: string, contents: PanelRunContents | null): void;
  append(update: Extract<PanelUpdate, { kind: 'events' }>): void;
  samples(update: Extract<PanelUpdate, { kind: 'samples' }>): void;
}

/** The selected run: its warnings, evaluations, curves, samples and settings. */
export function runView(host: Host, store: ViewStore, showDenoising: (sample: SampleReference) => void): RunView {
  let shown: PanelRunContents | null = null;
  /** By directory, in the order in which they were selected. */
  const compared = new Map<string, PanelRunContents>();
  const nothing = missing('Select a run to see its curves, samples and evaluations.');
  const title = element('h2', {});
  const progress = element('p', { class: 'note' });
  const comparison = element('p', { class: 'note comparison' });
  const warnings = element('div', { role: 'status', 'aria-label': 'Warnings' });
  const evaluations = element('div', {});
  const curves = liveCurves(store);
  const samples = samplePages(host, store, showDenoising);
  const settings = element('div', {});
  const parts = element(
    'div',
    {},
    element('header', { class: 'run-head' }, title, progress, comparison),
    warnings,
    collapsible(store, 'evaluations', 'Before and after', evaluations),
    collapsible(store, 'curves', 'Curves', curves.root),
    collapsible(store, 'samples', 'Samples', samples.root),
    collapsible(store, 'settings', 'Settings', settings),
  );

  const head = ({ run }: PanelRunContents) => {
    setText(title, run.name);
    progress.textContent = `${run.state} · ${progressOf(run)}`;
  };
  const drawCurves = oncePerFrame(() => {
    if (shown !== null)
      curves.show(
        shown.events,
        [...compared.values()].map(({ events }) => events),
      );
  });
  const drawEvaluations = (events: readonly RunEvent[]) =>
    evaluations.replaceChildren(...evaluationTables(evaluationsOf(events), host));
  const showComparison = () => {
    comparison.hidden = compared.size === 0;
    const names = [...compared.values()].map(({ run }) => run.name);
    const others =
      names.length === 1
        ? `Dashed lines: ${names[0]}.`
        : names.map((name, index) => `R${comparedLabel(index, names.length).slice(1)}: ${name}.`).join(' ');
    setText(comparison, names.length === 0 ? '' : `Solid lines: ${shown?.run.name ?? ''}. ${others}`);
  };
  const showContents = (contents: PanelRunContents) => {
    head(contents);
    warnings.replaceChildren(...contents.warnings.map(warning));
    drawEvaluations(contents.events);
    samples.steps(contents.run.dir, contents.sampleSteps);
    const { configuration, run } = contents;
    settings.replaceChildren(
      pairs([
        { label: 'Model', value: configuration.model ?? 'none' },
        ...(configuration.split ? [{ label: 'Data', value: describeSplit(configuration.split.counts) }] : []),
        { label: 'Seed', value: String(configuration.seed) },
        { label: 'Device', value: `${configuration.device.engine} on ${configuration.device.device}` },
        { label: 'Folder', value: run.dir },
        ...settingRows(configuration.settings),
      ]),
    );
  };
  const visible = () => {
    nothing.hidden = shown !== null;
    parts.hidden = shown === null;
    showComparison();
    drawCurves();
  };
  visible();
  return {
    root: element('div', { class: 'run-view' }, nothing, parts),
    show(contents) {
      shown = contents;
      if (contents !== null) showContents(contents);
      visible();
    },
    compare(dir, contents) {
      if (contents === null) compared.delete(dir);
      else compared.set(dir, contents);
      visible();
    },
    append({ dir, ...added }) {
      if (shown?.run.dir === dir) {
        shown = withUpdate(shown, added);
        head(shown);
        warnings.replaceChildren(...shown.warnings.map(warning));
        if (evaluationsOf(added.events).length > 0) drawEvaluations(shown.events);
        samples.steps(dir, shown.sampleSteps);
      }
      const other = compared.get(dir);
      if (other) compared.set(dir, withUpdate(other, added));
      drawCurves();
    },
    samples: samples.show,
  };
}

/** The contents of a run with an update applied. */
const withUpdate = (
  contents: PanelRunContents,
  {
    run,
    events,
    warnings,
    sampleSteps,
  }: { run: PanelRun } & Pick<PanelRunContents, 'events' | 'warnings' | 'sampleSteps'>,
): PanelRunContents => ({ ...contents, run, events: [...contents.events, ...events], warnings, sampleSteps });

const warning = ({ text, step, kind }: RunWarning): HTMLElement =>
  element(
    'p',
    { class: `notice ${kind === 'failed' || kind === 'not-finite' ? 'error' : 'warning'}` },
    icon(kind === 'failed' || kind === 'not-finite' ? 'error' : 'warning'),
    element('span', {}, `${text} (step ${step})`),
  );

/** Runs the work once before the next animation frame, however often it is called. */
function oncePerFrame(work: () => void): () => void {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      work();
    });
  };
}
