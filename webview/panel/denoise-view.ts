import type { PanelUpdate } from '../../src/protocol/panel.ts';
import type { Denoising } from '../../src/protocol/report.ts';
import type { CompletionFrame, DenoiseResult } from '../../src/protocol/runtime.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { element } from '../element.ts';
import { percent } from '../numbers.ts';
import { type Player, player } from '../player.ts';
import { reducedMotion } from '../theme.ts';
import { button, choice, emptyView } from './controls.ts';
import type { Host } from './host.ts';
import { fold, unfold } from './kept-denoising.ts';
import type { ShowDenoising } from './sample-pages.ts';
import type { ViewStore } from './view-state.ts';

/** Completions that can be asked for at once. */
const mostAlternatives = 5;

/** What can be looked at: one completion, or several of one place. */
interface Shown {
  /** Names what is shown; another key is another completion. */
  readonly key: string;
  readonly alternatives: readonly Alternative[];
  readonly chosen: number;
}

interface Alternative {
  readonly denoising: Denoising;
  /** The completion, where it is finished and known to the letter. */
  readonly text: string | null;
  readonly confidence: number | null;
}

const sources = ['live', 'here', 'sample'] as const;
type Source = (typeof sources)[number];
const sourceNames = { live: 'Live', here: 'Denoised here', sample: 'Sample' };

export interface DenoiseView {
  readonly root: HTMLElement;
  runtime(update: Extract<PanelUpdate, { kind: 'runtime' }>): void;
  liveFrame(frame: CompletionFrame): void;
  frame(alternative: number, frame: Frame): void;
  denoised(result: DenoiseResult, file: string): void;
  /** The denoising that was asked for could not be made; says whether that was wanted. */
  failed(): 'cancelled' | 'failed';
  readonly showSample: ShowDenoising;
  sample(update: Extract<PanelUpdate, { kind: 'sample-denoising' }>): void;
}

/** Completions step by step: the one under way in an editor, one that is asked for here, and samples of a run. */
export function denoiseView(host: Host, store: ViewStore): DenoiseView {
  const known: Partial<Record<Source, Shown>> = {};
  let source: Source | null = null;
  let playing: { readonly key: string; readonly player: Player } | null = null;
  /** A newer completion than the one that somebody scrubs through. */
  let waiting: Shown | null = null;
  let busy: 'no' | 'denoising' | 'cancelling' = 'no';
  let ready = false;
  let runs = 0;
  let asked: { readonly dir: string; readonly step: number; readonly index: number; readonly text: string } | null =
    null;

  const start = button('Denoise here', 'play', () => denoise());
  const cancel = button('Cancel', 'debug-stop', () => stop(), { secondary: true });
  const count = element(
    'select',
    { 'aria-label': 'Alternatives' },
    ...Array.from({ length: mostAlternatives }, (_, index) =>
      element('option', { value: index + 1 }, index === 0 ? '1 completion' : `${index + 1} alternatives`),
    ),
  );
  count.value = String(store.state.alternatives);
  count.addEventListener('change', () => store.change({ alternatives: Number(count.value) }));
  const status = element('output', { class: 'status', 'aria-live': 'polite' });
  const sourceChoice = choice('What to look at');
  const alternativeChoice = choice('Alternatives of this completion');
  const follow = button('Follow the newest completion', 'arrow-down', () => followNewest(), { secondary: true });
  const place = element('div', {});
  const insert = button('Insert at the cursor', 'insert', () => withText((text) => host.ask({ kind: 'insert', text })));
  const copy = button('Copy', 'copy', () => withText((text) => copied(text)), { secondary: true });
  const taking = element('div', { class: 'controls' }, insert, copy);
  const nothing = emptyView(
    'Nothing was denoised yet. Type in an editor and watch the completion come about, press Denoise here to complete at the cursor, or choose a sample of a run.',
    host,
  );
  const noRuntime = element('div', { hidden: true });

  const current = () => (source === null ? null : (known[source] ?? null));
  const alternative = () => current()?.alternatives[current()?.chosen ?? 0] ?? null;
  const withText = (use: (text: string) => void) => {
    const text = alternative()?.text ?? null;
    if (text !== null) use(text);
  };
  const copied = (text: string) => {
    host.ask({ kind: 'copy', text });
    status.textContent = 'Copied.';
  };

  const draw = (position?: number) => {
    const [shown, one] = [current(), alternative()];
    nothing.hidden = one !== null;
    place.hidden = one === null;
    taking.hidden = one === null || one.text === null;
    insert.disabled = copy.disabled = taking.hidden;
    follow.hidden = waiting === null || source !== 'live';
    start.disabled = !ready || busy !== 'no';
    cancel.hidden = busy === 'no';
    cancel.disabled = busy === 'cancelling';
    const there = sources.filter((name) => known[name] !== undefined);
    sourceChoice.show(
      there.map((name) => sourceNames[name]),
      source === null ? -1 : there.indexOf(source),
      (index) => look(there[index] as Source),
    );
    alternativeChoice.show(shown?.alternatives.map(nameOf) ?? [], shown?.chosen ?? 0, choose);
    if (shown === null || one === null || one.denoising.frames.length === 0) return;
    const key = `${shown.key} ${shown.chosen}`;
    if (playing?.key === key) {
      playing.player.update(one.denoising);
      return;
    }
    playing?.player.pause();
    const made = player(one.denoising, {
      inspect: true,
      ...(position === undefined ? {} : { position }),
      moved: (to) => store.change({ position: to === one.denoising.frames.length ? null : to }),
    });
    playing = { key, player: made };
    place.replaceChildren(made.root);
    scrollToEnd(made.root.querySelector('.prompt pre'));
    store.change({ position: made.atEnd ? null : made.position });
  };
  /** Shows another of the completions that are known. */
  const look = (to: Source, position?: number) => {
    source = to;
    keep();
    draw(position);
  };
  const choose = (chosen: number) => {
    if (source === null || known[source] === undefined) return;
    known[source] = { ...(known[source] as Shown), chosen };
    keep();
    draw();
  };
  const followNewest = () => {
    if (waiting !== null) known.live = waiting;
    waiting = null;
    look('live');
  };
  /** Remembers for the next time what a reload would lose. */
  const keep = () => {
    const here = known.here;
    if (source === 'sample' && asked) store.change({ denoising: { kind: 'sample', ...asked } });
    else if (source === 'here' && here?.alternatives.every(({ text }) => text !== null))
      store.change({
        denoising: {
          kind: 'here',
          key: here.key,
          chosen: here.chosen,
          alternatives: here.alternatives.map(({ text, confidence, denoising }) => ({
            text: text ?? '',
            confidence: confidence ?? 0,
            last: fold(denoising),
          })),
        },
      });
    else store.change({ denoising: null });
  };

  const denoise = () => {
    busy = 'denoising';
    status.textContent = 'Denoising\u2026';
    const alternatives = Number(count.value);
    known.here = { key: `here ${++runs}`, alternatives: [], chosen: 0 };
    const [seed] = crypto.getRandomValues(new Uint32Array(1));
    host.ask({ kind: 'denoise-here', seed: (seed as number) >>> 1, alternatives });
    look('here');
  };
  const stop = () => {
    busy = 'cancelling';
    host.ask({ kind: 'cancel-denoise' });
    draw();
  };

  const { denoising: kept, position: keptPosition } = store.state;
  if (kept?.kind === 'sample') {
    asked = kept;
    host.ask({ kind: 'denoise-sample', dir: kept.dir, step: kept.step, index: kept.index });
  } else if (kept?.kind === 'here') {
    known.here = {
      key: kept.key,
      chosen: kept.chosen,
      alternatives: kept.alternatives.map(({ text, confidence, last }) => ({
        text,
        confidence,
        denoising: unfold(last),
      })),
    };
    look('here', keptPosition ?? undefined);
  }
  draw();

  return {
    root: element(
      'section',
      { class: 'denoise-view', 'aria-labelledby': 'denoise-title' },
      element('h2', { id: 'denoise-title' }, 'Denoising'),
      noRuntime,
      element('div', { class: 'controls' }, start, count, cancel),
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
    liveFrame({ request, uri, line, prefixTail, frame, done }) {
      const key = `live ${request}`;
      const before = [waiting, known.live].find((shown) => shown?.key === key)?.alternatives[0];
      const title = `${uri.split('/').at(-1)}, line ${line + 1}`;
      const frames = [...(before?.denoising.frames ?? []), frame];
      const text = done ? wholeText(frame) : null;
      const denoising: Denoising = { title, prompt: prefixTail, outcome: null, frames };
      const shown: Shown = { key, chosen: 0, alternatives: [{ denoising, text, confidence: null }] };
      const scrubbing = source === 'live' && playing !== null && !playing.player.atEnd;
      if (scrubbing && known.live?.key !== key) waiting = shown;
      else {
        known.live = shown;
        waiting = null;
        source ??= 'live';
      }
      draw();
    },
    frame(index, frame) {
      if (busy !== 'denoising' || known.here === undefined) return;
      const there = known.here.alternatives;
      const frames = [...(there[index]?.denoising.frames ?? []), frame];
      const title = `Alternative ${index + 1}`;
      const alternatives = Array.from({ length: Math.max(index + 1, there.length) }, (_, each) =>
        each === index
          ? { denoising: { title, prompt: '', outcome: null, frames }, text: null, confidence: null }
          : (there[each] ?? {
              denoising: { title, prompt: '', outcome: null, frames: [] },
              text: null,
              confidence: null,
            }),
      );
      known.here = { ...known.here, alternatives };
      status.textContent = `Denoising\u2026 step ${frame.step + 1}`;
      draw();
    },
    denoised({ alternatives, forwards, milliseconds }, file) {
      busy = 'no';
      const chosen = known.here?.chosen ?? 0;
      // Another key: the finished ones have their prompt.
      known.here = { key: `${file} ${++runs}`, chosen, alternatives };
      status.textContent = `Denoised in ${forwards} steps, ${(milliseconds / 1000).toFixed(1)} s.`;
      const scrubbed = source === 'here' && playing !== null && !playing.player.atEnd;
      look('here', scrubbed ? playing?.player.position : undefined);
    },
    failed() {
      const cancelled = busy === 'cancelling';
      status.textContent = cancelled ? 'Cancelled.' : '';
      busy = 'no';
      if (known.here?.alternatives.every(({ text }) => text === null)) {
        delete known.here;
        if (source === 'here') source = sources.find((name) => known[name] !== undefined) ?? null;
      }
      draw();
      return cancelled ? 'cancelled' : 'failed';
    },
    showSample(sample) {
      asked = sample;
      const { dir, step, index } = sample;
      host.ask({ kind: 'denoise-sample', dir, step, index });
    },
    sample({ step, index, denoising }) {
      if (asked === null || asked.step !== step || asked.index !== index) return;
      const { dir, text } = asked;
      const again = store.state.denoising;
      const restored = again?.kind === 'sample' && again.dir === dir && again.step === step && again.index === index;
      const position = restored ? (store.state.position ?? undefined) : undefined;
      known.sample = {
        key: `${dir} ${step} ${index} ${++runs}`,
        chosen: 0,
        alternatives: [{ denoising, text, confidence: null }],
      };
      look('sample', position);
      if (restored) return;
      // Where the columns are stacked, the button that was pressed is far below.
      playing?.player.root.scrollIntoView({ block: 'nearest' });
      playing?.player.root.focus({ preventScroll: true });
      if (!reducedMotion()) playing?.player.play();
    },
  };
}

const nameOf = ({ confidence }: Alternative, index: number): string =>
  confidence === null ? String(index + 1) : `${index + 1} · ${percent(confidence)}`;

/** The completion that a frame holds; null where it cannot be put together from its tokens: one may be part of a character. */
function wholeText({ tokens }: Frame): string | null {
  const text = tokens.map((token) => token ?? '').join('');
  return text === '' || text.includes('\ufffd') ? null : text;
}

/** What stands right before the cursor is at the end. */
function scrollToEnd(prompt: Element | null): void {
  if (prompt) prompt.scrollTop = prompt.scrollHeight;
}
