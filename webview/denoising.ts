import type { Denoising } from '../src/protocol/report.ts';
import type { Frame } from '../src/protocol/sample.ts';
import './denoising.css';
import { element, missing, section } from './element.ts';

/** Milliseconds that playing a whole completion takes at normal speed, within limits per step. */
const wholePlay = 8_000;

/** Completions as they were written: the canvas after each denoising step, to be played or stepped through. */
export function denoisings(all: readonly Denoising[]): HTMLElement {
  const shown = all.filter(({ frames }) => frames.length > 0);
  if (shown.length === 0) return section('denoising', 'Denoising', missing('No completion was recorded step by step.'));
  const place = element('div', {});
  let current: Player | null = null;
  const show = (index: number) => {
    current?.pause();
    current = player(shown[index] as Denoising);
    place.replaceChildren(current.root);
  };
  const choice = element(
    'select',
    { 'aria-label': 'Completion to show' },
    ...shown.map(({ title }, index) => element('option', { value: index }, title)),
  );
  choice.addEventListener('change', () => show(Number(choice.value)));
  show(0);
  return section(
    'denoising',
    'Denoising',
    element(
      'p',
      {},
      'The model starts from a canvas of masks and fixes some tokens at every step, in any order. A colour tells when a token was revealed, the bar below it how sure the model was of it then.',
    ),
    ...(shown.length > 1 ? [element('div', { class: 'controls' }, choice)] : []),
    place,
  );
}

interface Player {
  readonly root: HTMLElement;
  pause(): void;
}

function player(denoising: Denoising): Player {
  const { frames, layout } = denoising;
  const last = frames.length - 1;
  const canvas = element('div', { class: 'canvas', role: 'img' });
  const counter = element('output', { class: 'counter', 'aria-live': 'polite' });
  const change = element('p', { class: 'note revealed' });
  const slider = element('input', {
    type: 'range',
    min: 0,
    max: last + 1,
    step: 1,
    value: last + 1,
    'aria-label': 'Denoising step',
  });
  const play = element('button', { type: 'button', class: 'play' }, '▶ Play');
  const back = element('button', { type: 'button', 'aria-label': 'One step back' }, '‹');
  const forth = element('button', { type: 'button', 'aria-label': 'One step on' }, '›');
  let timer: ReturnType<typeof setInterval> | undefined;

  /** Position 0 is the canvas before the first step, position k the canvas after step k. */
  let position = last + 1;
  const show = (to: number) => {
    position = Math.min(last + 1, Math.max(0, to));
    const frame = position === 0 ? blank(frames[0] as Frame) : (frames[position - 1] as Frame);
    const fresh = position === 0 ? [] : revealedBy(frames, position - 1);
    canvas.replaceChildren(...layers(frame, new Set(fresh), frames, layout));
    canvas.setAttribute('aria-label', spokenCanvas(frame));
    slider.value = String(position);
    const words = `Step ${position} of ${last + 1}`;
    slider.setAttribute('aria-valuetext', words);
    counter.textContent = words;
    change.textContent = position === 0 ? 'Everything is masked.' : sentence(frame, fresh);
    back.disabled = position === 0;
    forth.disabled = position === last + 1;
  };
  const pause = () => {
    clearInterval(timer);
    timer = undefined;
    play.textContent = '▶ Play';
    counter.setAttribute('aria-live', 'polite');
  };
  const start = () => {
    if (position === last + 1) show(0);
    play.textContent = '❚❚ Pause';
    counter.setAttribute('aria-live', 'off');
    timer = setInterval(
      () => {
        show(position + 1);
        if (position === last + 1 || !root.isConnected) pause();
      },
      Math.min(700, Math.max(60, wholePlay / frames.length)),
    );
  };
  const toggle = () => (timer === undefined ? start() : pause());
  const stepTo = (to: number) => {
    pause();
    show(to);
  };
  play.addEventListener('click', toggle);
  back.addEventListener('click', () => stepTo(position - 1));
  forth.addEventListener('click', () => stepTo(position + 1));
  slider.addEventListener('input', () => stepTo(Number(slider.value)));
  const root = element(
    'figure',
    {
      class: layout ? 'card player beside' : 'card player',
      tabindex: 0,
      'aria-label': `Denoising: ${denoising.title}`,
    },
    element(
      'figcaption',
      {},
      element('h3', {}, denoising.title),
      ...(denoising.outcome === null ? [] : [element('span', { class: 'outcome' }, denoising.outcome)]),
    ),
    element('div', { class: 'prompt' }, element('h4', {}, 'Prompt'), element('pre', {}, denoising.prompt)),
    element('div', { class: 'answer' }, element('h4', {}, 'Canvas'), canvas),
    element('div', { class: 'controls' }, play, back, slider, forth, counter),
    element('div', { class: 'about' }, change, legend(frames.length, layout?.given !== undefined), order(denoising)),
  );
  root.addEventListener('keydown', (event) => {
    // The slider has these keys already, and a button its space bar.
    if (event.target !== root) return;
    const keys: Record<string, () => void> = {
      ' ': toggle,
      ArrowLeft: () => stepTo(position - 1),
      ArrowRight: () => stepTo(position + 1),
      Home: () => stepTo(0),
      End: () => stepTo(last + 1),
    };
    const action = keys[event.key];
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
  show(position);
  return { root, pause };
}

const blank = (frame: Frame): Frame => ({
  step: -1,
  tokens: frame.tokens.map(() => null),
  revealedAt: frame.tokens.map(() => null),
  confidence: frame.tokens.map(() => null),
});

/** The positions that a step fixed or changed. */
function revealedBy(frames: readonly Frame[], index: number): number[] {
  const frame = frames[index] as Frame;
  const before = index > 0 ? (frames[index - 1] as Frame) : blank(frame);
  return frame.tokens.flatMap((token, at) =>
    token !== before.tokens[at] || frame.revealedAt[at] !== before.revealedAt[at] ? [at] : [],
  );
}

/** The canvas as a grid, where it is one, and whatever follows as running text. */
function layers(
  frame: Frame,
  fresh: ReadonlySet<number>,
  frames: readonly Frame[],
  layout: Denoising['layout'],
): Node[] {
  const whole = Math.max(1, frames.length - 1);
  const cell = (index: number) => tokenBox(frame, index, fresh.has(index), whole);
  const flow = (index: number) => (frame.tokens[index]?.endsWith('\n') ? [cell(index), element('br')] : [cell(index)]);
  const all = frame.tokens.map((_, index) => index);
  if (layout === undefined) return [element('p', { class: 'flow' }, ...all.flatMap(flow))];
  const grid = element('div', { class: 'grid4' });
  grid.style.setProperty('--columns', String(layout.columns));
  for (const index of all.slice(0, layout.cells)) {
    const made = cell(index);
    const [row, column] = [Math.floor(index / layout.columns), index % layout.columns];
    if (layout.given?.[index]) made.classList.add('given');
    if (layout.box !== undefined && column % layout.box === 0 && column > 0) made.classList.add('box-left');
    if (layout.box !== undefined && row % layout.box === 0 && row > 0) made.classList.add('box-top');
    grid.append(made);
  }
  const rest = all.slice(layout.cells);
  return rest.length === 0 ? [grid] : [grid, element('p', { class: 'flow after' }, ...rest.flatMap(flow))];
}

function tokenBox(frame: Frame, index: number, fresh: boolean, whole: number): HTMLElement {
  const text = frame.tokens[index] ?? null;
  if (text === null) return element('span', { class: 'token masked', title: 'masked' }, '\u00a0');
  const at = frame.revealedAt[index] ?? 0;
  const confidence = frame.confidence[index] ?? null;
  const about = `revealed at step ${at + 1}${confidence === null ? '' : `, probability ${confidence.toFixed(2)}`}`;
  const box = element(
    'span',
    { class: fresh ? 'token fresh' : 'token', title: `${visible(text)}: ${about}` },
    visible(text),
  );
  colour(box, at / whole, confidence);
  return box;
}

/** Colours a token by when it was revealed (0 first, 1 last), and draws its bar; the style sheet knows the colours. */
function colour(box: HTMLElement, when: number, confidence: number | null): void {
  const part = 2 * Math.min(1, Math.max(0, when));
  box.style.setProperty('--from', part < 1 ? 'var(--early)' : 'var(--middle)');
  box.style.setProperty('--to', part < 1 ? 'var(--middle)' : 'var(--late)');
  box.style.setProperty('--mix', `${(100 * (part < 1 ? part : part - 1)).toFixed(1)}%`);
  box.style.setProperty('--sure', Math.min(1, Math.max(0, confidence ?? 0)).toFixed(3));
}

/** White space as signs that can be seen and coloured. */
const visible = (text: string): string =>
  text.replaceAll(' ', '\u2423').replaceAll('\n', '\u21b5').replaceAll('\t', '\u21e5');

const spokenCanvas = (frame: Frame): string => {
  const masked = frame.tokens.filter((token) => token === null).length;
  return `${frame.tokens.map((token) => token ?? ' mask ').join('')} (${masked} of ${frame.tokens.length} masked)`;
};

function sentence(frame: Frame, fresh: readonly number[]): string {
  if (fresh.length === 0) return 'Nothing changed in this step.';
  const named = fresh.slice(0, 8).map((index) => {
    const confidence = frame.confidence[index];
    const sure = confidence === null || confidence === undefined ? '' : ` (${confidence.toFixed(2)})`;
    return `“${visible(frame.tokens[index] ?? 'mask')}”${sure}`;
  });
  return `This step revealed ${named.join(', ')}${fresh.length > named.length ? ` and ${fresh.length - named.length} more` : ''}.`;
}

function legend(steps: number, given: boolean): HTMLElement {
  const ramp = element('span', { class: 'ramp', 'aria-hidden': 'true' });
  const bar = (sure: number) => {
    const box = element('span', { class: 'token sample', 'aria-hidden': 'true' }, '\u00a0');
    colour(box, 0.5, sure);
    return box;
  };
  return element(
    'p',
    { class: 'note key' },
    element('span', {}, 'revealed at step 1 ', ramp, ` step ${steps}`),
    element('span', {}, 'unsure ', bar(0.2), ' ', bar(0.6), ' ', bar(1), ' sure'),
    element('span', {}, element('span', { class: 'token masked', 'aria-hidden': 'true' }, '\u00a0'), ' masked'),
    ...(given ? [element('span', {}, element('strong', {}, '3'), ' given by the prompt')] : []),
    element('span', { class: 'screen-only' }, 'Space plays, arrow keys step.'),
  );
}

/** Every token by when it was revealed, for who cannot see the colours. */
function order({ frames }: Denoising): HTMLElement {
  const details = element('details', {}, element('summary', {}, 'Tokens in the order they were revealed'));
  details.addEventListener(
    'toggle',
    () => {
      const end = frames.at(-1) as Frame;
      const rows = end.tokens
        .map((token, index) => ({
          token,
          index,
          at: end.revealedAt[index] ?? null,
          sure: end.confidence[index] ?? null,
        }))
        .filter(({ token }) => token !== null)
        .sort((a, b) => (a.at ?? 0) - (b.at ?? 0) || a.index - b.index);
      const heads = ['Step', 'Position', 'Token', 'Probability'];
      details.append(
        element(
          'div',
          {
            class: 'scroll numbers',
            tabindex: 0,
            role: 'region',
            'aria-label': 'Tokens in the order they were revealed',
          },
          element(
            'table',
            {},
            element('thead', {}, element('tr', {}, ...heads.map((head) => element('th', { scope: 'col' }, head)))),
            element(
              'tbody',
              {},
              ...rows.map(({ token, index, at, sure }) =>
                element(
                  'tr',
                  {},
                  element('td', { class: 'number' }, at === null ? '' : String(at + 1)),
                  element('td', { class: 'number' }, String(index + 1)),
                  element('td', {}, element('code', {}, visible(token ?? ''))),
                  element('td', { class: 'number' }, sure === null ? '' : sure.toFixed(3)),
                ),
              ),
            ),
          ),
        ),
      );
    },
    { once: true },
  );
  return details;
}
