import { element } from './element.ts';

/** What the controls of a player do. */
export interface PlayerActions {
  /** Plays or pauses. */
  toggle(): void;
  /** Goes to a position and pauses; positions outside the range are clamped. */
  goTo(position: number): void;
  position(): number;
}

export interface PlayerControls {
  readonly root: HTMLElement;
  show(position: number, last: number): void;
  playing(isPlaying: boolean): void;
}

/** The play button, the step buttons, the slider and the step counter of a player. */
export function playerControls({ toggle, goTo, position }: PlayerActions): PlayerControls {
  const counter = element('output', { class: 'counter', 'aria-live': 'polite' });
  const slider = element('input', { type: 'range', min: 0, step: 1, 'aria-label': 'Denoising step' });
  const play = element('button', { type: 'button', class: 'play' }, '▶ Play');
  const back = element('button', { type: 'button', 'aria-label': 'Previous step' }, '‹');
  const forward = element('button', { type: 'button', 'aria-label': 'Next step' }, '›');
  play.addEventListener('click', toggle);
  back.addEventListener('click', () => goTo(position() - 1));
  forward.addEventListener('click', () => goTo(position() + 1));
  slider.addEventListener('input', () => goTo(Number(slider.value)));
  return {
    root: element('div', { class: 'controls' }, play, back, slider, forward, counter),
    show(step, last) {
      slider.max = String(last);
      slider.value = String(step);
      const text = `Step ${step} of ${last}`;
      slider.setAttribute('aria-valuetext', text);
      counter.textContent = text;
      back.disabled = step === 0;
      forward.disabled = step === last;
    },
    playing(isPlaying) {
      play.textContent = isPlaying ? '❚❚ Pause' : '▶ Play';
      // While it plays, a screen reader would announce every step.
      counter.setAttribute('aria-live', isPlaying ? 'off' : 'polite');
    },
  };
}

/** Controls that Space operates themselves. In a group of buttons, Space on the pressed one would change nothing. */
const spaceControls =
  'button:not(.choice [aria-pressed="true"]), select, textarea, summary, a, input:not([type="range"]), vscode-button, vscode-toolbar-button';

/** Whether Space plays if this element has the focus. */
export const spacePlays = (target: EventTarget | null): boolean =>
  !(target instanceof Element) || target.closest(spaceControls) === null;

/**
 * Space plays and pauses wherever the focus is in `root`, unless it is on a control that Space operates. Arrow keys step, and Home and End go
 * to the ends, while `root` itself has the focus.
 */
export function playerKeys(root: HTMLElement, { toggle, goTo, position }: PlayerActions): void {
  root.addEventListener('keydown', (event) => {
    // The slider and the buttons handle these keys themselves.
    if (event.key === ' ' ? !spacePlays(event.target) : event.target !== root) return;
    const keys: Record<string, () => void> = {
      ' ': toggle,
      ArrowLeft: () => goTo(position() - 1),
      ArrowRight: () => goTo(position() + 1),
      Home: () => goTo(0),
      End: () => goTo(Number.POSITIVE_INFINITY),
    };
    const action = keys[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}
