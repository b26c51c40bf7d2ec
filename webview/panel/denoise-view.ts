import type { PanelUpdate } from '../../src/protocol/panel.ts';
import type { CompletionFrame, DenoiseResult } from '../../src/protocol/runtime.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { element } from '../element.ts';
import { count, percent } from '../numbers.ts';
import { type Player, player } from '../player.ts';
import { reducedMotion } from '../theme.ts';
import { button, choice, emptyView } from './controls.ts';
import type { Host } from './host.ts';
import type { SampleReference } from './kept-denoising.ts';
import type { ViewStore } from './view-state.ts';
import * as watching from './watched.ts';

/** Maximum number of completions per request. */
const mostAlternatives = 5;

const sourceNames: Readonly<Record<watching.Source, string>> = {
  live: 'Live',
  here: 'At the cursor',
  sample: 'Sample',
};

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
  sample(update: Extract<PanelUpdate, { kind: 'sample-denoising' }>): void;
}

/** Completions step by step: the one under way in an editor, one that is asked for here, and samples of a run. */
export function denoiseView(host: Host, store: ViewStore): DenoiseView {
  let watched = watching.nothingWatched;
  let playing: { readonly key: string; readonly player: Player } | null = null;
  let busy: 'no' | 'denoising' | 'cancelling' = 'no';
  let ready = false;
  let asked: SampleReference | null = null;
  /** Tells one denoising from the next. */
  let made = 0;

  const start = button('Denoise here', 'play', () => denoise());
  const cancel = button('Cancel', 'debug-stop', () => stop(), { secondary: true });
  const alternatives = element(
    'select',
    { 'aria-label': 'Alternatives' },
    ...Array.from({ length: mostAlternatives }, (_, index) =>
      element('option', { value: index + 1 }, count(index + 1, 'alternative')),
    ),
  );
  alternatives.value = String(store.state.alternatives);
  alternatives.addEventListener('change', () => store.change({ alternatives: Number(alternatives.value) }));
  const status = element('output', { class: 'status', 'aria-live': 'polite' });
  const sourceChoice = choice('Source');
  const alternativeChoice = choice('Alternatives of this completion');
  const follow = button('Show the newest completion', 'arrow-down', () => look(watching.followNewest(watched)), {
    secondary: true,
  });
  const place = element('div', {});
  const insert = button('Insert at the cursor', 'insert', () => take('insert'));
  const copy = button('Copy', 'copy', () => take('copy'), { secondary: true });
  const taking = element('div', { class: 'controls' }, insert, copy);
  const nothing = emptyView(
    'There is nothing to show yet. Type in an editor to watch its completions, press Denoise here to complete at the cursor, or select Show denoising for a sample of a run.',
    host,
  );
  const noRuntime = element('div', { hidden: true });

  const denoise = () => {
    busy = 'denoising';
    status.textContent = 'Denoising\u2026';
    look(watching.beginHere(watched, `here ${++made}`));
    const [seed] = crypto.getRandomValues(new Uint32Array(1));
    host.ask({ kind: 'denoise-here', seed: (seed as number) >>> 1, alternatives: Number(alternatives.value) });
  };
  const stop = () => {
    busy = 'cancelling';
    host.ask({ kind: 'cancel-denoise' });
    draw();
  };
  const take = (kind: 'insert' | 'copy') => {
    const text = watching.chosenOf(watched)?.text ?? null;
    if (text === null) return;
    host.ask({ kind, text });
    if (kind === 'copy') status.textContent = 'Copied.';
  };

  /** Something else is looked at, which a reload should bring back. */
  const look = (next: watching.Watched, position?: number) => {
    watched = next;
    const isSample = watched.source === 'sample' && asked !== null;
    store.change({
      denoising: isSample ? { kind: 'sample', ...(asked as SampleReference) } : watching.keptOf(watched),
    });
    draw(position);
  };
  const draw = (position?: number) => {
    const [shown, one] = [watching.placeOf(watched), watching.chosenOf(watched)];
    nothing.hidden = one !== null;
    place.hidden = one === null;
    taking.hidden = one === null || one.text === null;
    follow.hidden = watched.waiting === null || watched.source !== 'live';
    start.disabled = !ready || busy !== 'no';
    cancel.hidden = busy === 'no';
    cancel.disabled = busy === 'cancelling';
    const there = watching.sources.filter((source) => watched.known[source] !== undefined);
    sourceChoice.show(
      there.map((source) => sourceNames[source]),
      watched.source === null ? -1 : there.indexOf(watched.source),
      (index) => look(watching.lookAt(watched, there[index] as watching.Source)),
    );
    alternativeChoice.show(shown?.alternatives.map(nameOf) ?? [], shown?.chosen ?? 0, (index) =>
      look(watching.choose(watched, index)),
    );
    if (shown && one && one.denoising.frames.length > 0) play(`${shown.key} ${shown.chosen}`, one, position);
  };
  const play = (key: string, { denoising }: watching.Alternative, position?: number) => {
    if (playing?.key === key) {
      playing.player.update(denoising);
      return;
    }
    playing?.player.pause();
    const hadFocus = place.contains(document.activeElement);
    const next = player(denoising, {
      inspect: true,
      ...(position === undefined ? {} : { position }),
      moved: (to, atEnd) => store.change({ position: atEnd ? null : to }),
    });
    playing = { key, player: next };
    place.replaceChildren(next.root);
    scrollToEnd(next.root.querySelector('.prompt pre'));
    if (hadFocus) next.root.focus();
  };
  const isScrubbed = (source: watching.Source) =>
    watched.source === source && playing !== null && !playing.player.atEnd;

  const { denoising: kept, position: keptPosition } = store.state;
  if (kept?.kind === 'sample') showSample(kept);
  else if (kept?.kind === 'here') look(watching.restored(kept), keptPosition ?? undefined);
  draw();

  function showSample(sample: SampleReference): void {
    asked = sample;
    host.ask({ kind: 'denoise-sample', dir: sample.dir, step: sample.step, index: sample.index });
  }

  return {
    root: element(
      'section',
      { class: 'denoise-view', 'aria-labelledby': 'denoise-title' },
      element('h2', { id: 'denoise-title' }, 'Denoising'),
      noRuntime,
      element('div', { class: 'controls' }, start, alternatives, cancel),
      status,
      sourceChoice.root,
      follow,
      nothing,
      alternativeChoice.root,
      place,
      taking,
    ),
    runtime({ ready: isReady, model, summary }) {
      ready = isReady;
      noRuntime.hidden = ready;
      noRuntime.replaceChildren(
        ...(ready ? [] : [emptyView(summary, host, 'selectModel', 'restartRuntime', 'showLog')]),
      );
      start.title = model === null ? summary : `Complete at the cursor with ${model}`;
      draw();
    },
    liveFrame(frame) {
      watched = watching.withLiveFrame(watched, frame, isScrubbed('live'));
      draw();
    },
    frame(index, frame) {
      if (busy !== 'denoising') return;
      watched = watching.withFrame(watched, index, frame);
      status.textContent = `Denoising\u2026 step ${frame.step + 1}`;
      draw();
    },
    denoised(result) {
      busy = 'no';
      status.textContent = `Denoised in ${count(result.forwards, 'step')}, ${(result.milliseconds / 1000).toFixed(1)} s.`;
      const scrubbing = isScrubbed('here');
      const position = scrubbing ? playing?.player.position : undefined;
      look(watching.withResult(watched, `here ${++made}`, result, scrubbing), position);
    },
    failed() {
      const wanted = busy === 'cancelling' ? 'cancelled' : 'failed';
      status.textContent = wanted === 'cancelled' ? 'Cancelled.' : '';
      busy = 'no';
      look(watching.withoutUnfinished(watched));
      return wanted;
    },
    showSample,
    sample({ step, index, denoising }) {
      if (asked?.step !== step || asked.index !== index) return;
      const { dir, text } = asked;
      const { denoising: again, position } = store.state;
      const restoring = again?.kind === 'sample' && again.dir === dir && again.step === step && again.index === index;
      const sample = { key: `sample ${++made}`, chosen: 0, alternatives: [{ denoising, text, confidence: null }] };
      look(watching.lookAt(watched, 'sample', sample), restoring ? (position ?? undefined) : undefined);
      if (restoring) return;
      // In a narrow panel the player is far above the button that was pressed.
      playing?.player.root.scrollIntoView({ block: 'nearest' });
      playing?.player.root.focus({ preventScroll: true });
      if (!reducedMotion()) playing?.player.play();
    },
  };
}

const nameOf = ({ confidence }: watching.Alternative, index: number): string =>
  confidence === null ? String(index + 1) : `${index + 1} · ${percent(confidence)}`;

/** Shows the end of the prompt, which is the text right before the cursor. */
function scrollToEnd(prompt: Element | null): void {
  if (prompt) prompt.scrollTop = prompt.scrollHeight;
}
