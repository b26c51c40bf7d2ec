import type { PanelUpdate } from '../../src/protocol/panel.ts';
import type { CompletionFrame, DenoiseResult } from '../../src/protocol/runtime.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { element } from '../element.ts';
import { count } from '../numbers.ts';
import { reducedMotion } from '../theme.ts';
import { completionView } from './completion-view.ts';
import { emptyView } from './controls.ts';
import { denoiseRequest } from './denoise-request.ts';
import type { Host } from './host.ts';
import type { SampleReference } from './saved-denoising.ts';
import * as shown from './shown-completions.ts';
import type { ViewStore } from './view-state.ts';

export interface DenoiseView {
  readonly root: HTMLElement;
  runtime(update: Extract<PanelUpdate, { kind: 'runtime' }>): void;
  /** A step of the current completion in an editor. */
  liveFrame(frame: CompletionFrame): void;
  /** A step of a completion that was requested here, and the final result. */
  frame(alternative: number, frame: Frame): void;
  denoised(result: DenoiseResult): void;
  /** Ends a failed request; returns whether the user cancelled it. */
  failed(): 'cancelled' | 'failed';
  /** Requests the denoising of a sample, which is shown when it arrives. */
  showSample(sample: SampleReference): void;
  /** Saves the shown completion, also the current one in an editor, which is not saved otherwise. */
  save(): void;
  /** Plays or pauses the shown completion; false if there is none. */
  togglePlay(): boolean;
  sample(update: Extract<PanelUpdate, { kind: 'sample-denoising' }>): void;
}

/** Shows how completions are denoised: the current one in an editor, one requested here, and samples of a run. */
export function denoiseView(host: Host, store: ViewStore): DenoiseView {
  let state = shown.nothingShown;
  let requestedSample: SampleReference | null = null;
  /** Distinguishes the requests of this page. */
  let requests = 0;

  /** Shows something else and saves the choice, so that it is restored after a reload. */
  const select = (next: shown.ShownCompletions, position?: number) => {
    state = next;
    const isSample = state.source === 'sample' && requestedSample !== null;
    store.change({
      denoising: isSample ? { kind: 'sample', ...(requestedSample as SampleReference) } : shown.savedState(state),
    });
    view.draw(state, position);
  };
  const take = (kind: 'insert' | 'copy') => {
    const text = shown.shownCompletion(state)?.text ?? null;
    if (text === null) return;
    host.ask({ kind, text });
    if (kind === 'copy') request.report('Copied.');
  };
  const request = denoiseRequest(host, store, () => select(shown.startRequest(state, `here ${++requests}`)));
  const view = completionView(host, store, { select, take });
  const noRuntime = element('div', { hidden: true });
  /** Whether the user has stepped back in the shown completion, which is not replaced then. */
  const isScrubbing = (source: shown.Source) => state.source === source && view.player !== null && !view.player.atEnd;
  const showSample = (sample: SampleReference) => {
    requestedSample = sample;
    host.ask({ kind: 'denoise-sample', dir: sample.dir, step: sample.step, index: sample.index });
  };

  const { denoising: saved, position: savedPosition } = store.state;
  if (saved?.kind === 'sample') showSample(saved);
  else if (saved?.kind === 'here') select(shown.restoredState(saved), savedPosition ?? undefined);
  view.draw(state);
  return {
    root: element(
      'section',
      { class: 'denoise-view', 'aria-labelledby': 'denoise-title' },
      element('h2', { id: 'denoise-title' }, 'Denoising'),
      noRuntime,
      request.controls,
      request.status,
      ...view.elements,
    ),
    runtime({ ready, model, summary }) {
      noRuntime.hidden = ready;
      noRuntime.replaceChildren(
        ...(ready ? [] : [emptyView(summary, host, 'selectModel', 'restartRuntime', 'showLog')]),
      );
      request.runtime(ready, model === null ? summary : `Complete at the cursor with ${model}`);
    },
    liveFrame(frame) {
      state = shown.withLiveFrame(state, frame, isScrubbing('live'));
      view.draw(state);
    },
    frame(index, frame) {
      if (request.state !== 'denoising') return;
      const isFirst = shown.shownCompletion(state) === null;
      state = shown.withRequestFrame(state, index, frame);
      request.report(`Denoising\u2026 step ${frame.step + 1}`);
      view.draw(state);
      if (isFirst) view.player?.root.scrollIntoView({ block: 'nearest' });
    },
    denoised(result) {
      request.end(`Denoised in ${count(result.forwards, 'step')}, ${(result.milliseconds / 1000).toFixed(1)} s.`);
      const scrubbing = isScrubbing('here');
      const position = scrubbing ? view.player?.position : undefined;
      select(shown.withResult(state, `here ${++requests}`, result, scrubbing), position);
      view.player?.root.scrollIntoView({ block: 'nearest' });
      // The button that was pressed, which loses the focus while it is disabled, would take the Space key.
      const { activeElement } = document;
      const fromButton = activeElement === document.body || request.controls.contains(activeElement);
      if (fromButton && document.hasFocus()) view.player?.root.focus({ preventScroll: true });
    },
    failed() {
      const outcome = request.state === 'cancelling' ? 'cancelled' : 'failed';
      request.end(outcome === 'cancelled' ? 'Cancelled.' : '');
      select(shown.withoutUnfinished(state));
      return outcome;
    },
    showSample,
    save: () => select(state, view.player && !view.player.atEnd ? view.player.position : undefined),
    togglePlay() {
      if (shown.shownCompletion(state) === null || view.player === null) return false;
      view.player.toggle();
      return true;
    },
    sample({ step, index, denoising }) {
      if (requestedSample?.step !== step || requestedSample.index !== index) return;
      const { dir, text } = requestedSample;
      const { denoising: last, position } = store.state;
      const restoring = last?.kind === 'sample' && last.dir === dir && last.step === step && last.index === index;
      const sample = { key: `sample ${++requests}`, chosen: 0, alternatives: [{ denoising, text, confidence: null }] };
      select(shown.showGroup(state, 'sample', sample), restoring ? (position ?? undefined) : undefined);
      if (restoring) return;
      // In a narrow panel the player is far above the button that was pressed.
      view.player?.root.scrollIntoView({ block: 'nearest' });
      view.player?.root.focus({ preventScroll: true });
      if (!reducedMotion()) view.player?.play();
    },
  };
}
