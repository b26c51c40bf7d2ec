import './player.css';
import type { Denoising } from '../src/protocol/report.ts';
import type { Frame } from '../src/protocol/sample.ts';
import { element } from './element.ts';
import { type PlayerActions, playerControls, playerKeys } from './player-controls.ts';
import { revealOrder } from './reveal-order.ts';
import { colour, tokenCanvas } from './token-canvas.ts';
import { inspectTokens } from './token-inspector.ts';
import { allMasked, describeToken, revealedBy, tokenName } from './token-text.ts';

/** Milliseconds to play a whole completion, within limits per step. */
const playDuration = 8_000;

/** Position 0 is the canvas before the first step, position k the canvas after step k. */
export interface Player {
  readonly root: HTMLElement;
  readonly position: number;
  /** Whether the canvas after the last step is shown. A player at the end follows new steps. */
  readonly atEnd: boolean;
  play(): void;
  pause(): void;
  /** Plays if it is paused, else pauses. */
  toggle(): void;
  /** Adds further steps of the same completion. */
  update(denoising: Denoising): void;
}

export interface PlayerOptions {
  /** Whether tokens have tooltips with details; otherwise each box has a `title`. */
  readonly inspect?: boolean;
  /** The initial position; absent: after the last step. */
  readonly position?: number;
  /** Called for every step that is shown; `atEnd` is true for the last one. */
  readonly moved?: (position: number, atEnd: boolean) => void;
}

/** Plays the denoising of a completion; controlled with mouse and keyboard. */
export function player(denoising: Denoising, { inspect = false, position: first, moved }: PlayerOptions = {}): Player {
  let { frames } = denoising;
  const { layout } = denoising;
  const canvas = tokenCanvas(frames[0]?.tokens.length ?? 0, layout);
  const inspector = inspect ? inspectTokens(canvas) : null;
  if (!inspector) canvas.root.setAttribute('role', 'img');
  const change = element('p', { class: 'note revealed' });
  const steps = element('span', {});
  const order = revealOrder(() => frames);
  let timer: ReturnType<typeof setInterval> | undefined;

  let position = -1;
  const show = (to: number) => {
    const before = position;
    position = Math.min(frames.length, Math.max(0, to));
    const frame = position === 0 ? allMasked(frames[0] as Frame) : (frames[position - 1] as Frame);
    const fresh = position === 0 ? [] : revealedBy(frames, position - 1);
    canvas.draw(frame, new Set(fresh), frames.length - 1);
    canvas.root.setAttribute('aria-label', describeCanvas(frame));
    if (inspector) inspector.draw(frame);
    else for (const [index, box] of canvas.boxes.entries()) box.title = describeToken(frame, index);
    controls.show(position, frames.length);
    change.textContent = position === 0 ? 'All tokens are masked.' : describeStep(frame, fresh);
    steps.textContent = ` step ${frames.length}`;
    if (position !== before) moved?.(position, position === frames.length);
  };
  const pause = () => {
    clearInterval(timer);
    timer = undefined;
    controls.playing(false);
  };
  const start = () => {
    if (position === frames.length) show(0);
    controls.playing(true);
    clearInterval(timer);
    timer = setInterval(
      () => {
        show(position + 1);
        if (position === frames.length || !root.isConnected) pause();
      },
      Math.min(700, Math.max(60, playDuration / frames.length)),
    );
  };
  const actions: PlayerActions = {
    toggle: () => (timer === undefined ? start() : pause()),
    goTo(to) {
      pause();
      show(to);
    },
    position: () => position,
  };
  const controls = playerControls(actions);
  const prompt = element('pre', { tabindex: 0, 'aria-label': 'Prompt' }, denoising.prompt);
  const root = element(
    'figure',
    {
      class: layout ? 'card player in-columns' : 'card player',
      tabindex: 0,
      'aria-label': `Denoising: ${denoising.title}`,
    },
    element(
      'figcaption',
      {},
      element('h3', {}, denoising.title),
      ...(denoising.outcome === null ? [] : [element('span', { class: 'outcome' }, denoising.outcome)]),
    ),
    element('div', { class: 'prompt' }, element('h4', {}, 'Prompt'), prompt),
    element(
      'div',
      { class: 'answer' },
      element('h4', {}, 'Canvas'),
      canvas.root,
      ...(inspector ? [inspector.tooltip] : []),
    ),
    controls.root,
    element('div', { class: 'about' }, change, legend(steps, layout?.given !== undefined), order.root),
  );
  playerKeys(root, actions);
  show(first ?? frames.length);
  return {
    root,
    get position() {
      return position;
    },
    get atEnd() {
      return position === frames.length && timer === undefined;
    },
    play: start,
    pause,
    toggle: actions.toggle,
    update(later) {
      const following = position === frames.length;
      frames = later.frames;
      show(following ? frames.length : position);
      order.refresh();
    },
  };
}

const describeCanvas = (frame: Frame): string => {
  const masked = frame.tokens.filter((token) => token === null).length;
  return `${frame.tokens.map((token) => token ?? ' mask ').join('')} (${masked} of ${frame.tokens.length} masked)`;
};

function describeStep(frame: Frame, fresh: readonly number[]): string {
  // All positions after the end are the same, so only the first is listed.
  const end = fresh.find((position) => frame.tokens[position] === '');
  const listed = fresh.filter((position) => frame.tokens[position] !== '' || position === end);
  if (listed.length === 0) return 'No tokens changed in this step.';
  const first = listed.slice(0, 8).map((position) => {
    const confidence = frame.confidence[position];
    const sure = confidence === null || confidence === undefined ? '' : ` (${confidence.toFixed(2)})`;
    return `${tokenName(frame.tokens[position] ?? null)}${sure}`;
  });
  return `This step revealed ${first.join(', ')}${listed.length > first.length ? ` and ${listed.length - first.length} more` : ''}.`;
}

function legend(steps: HTMLElement, hasPromptTokens: boolean): HTMLElement {
  const ramp = element('span', { class: 'ramp', 'aria-hidden': 'true' });
  const bar = (sure: number) => {
    const box = element('span', { class: 'token sample', 'aria-hidden': 'true' }, '\u00a0');
    colour(box, 0.5, sure);
    return box;
  };
  return element(
    'p',
    { class: 'note key' },
    element('span', {}, 'revealed at step 1 ', ramp, steps),
    element('span', {}, 'confidence: low ', bar(0.2), ' ', bar(0.6), ' ', bar(1), ' high'),
    element('span', {}, element('span', { class: 'token masked', 'aria-hidden': 'true' }, '\u00a0'), ' masked'),
    ...(hasPromptTokens ? [element('span', {}, element('strong', {}, '3'), ' from the prompt')] : []),
    element('span', { class: 'screen-only' }, 'Press Space to play, arrow keys to step.'),
  );
}
