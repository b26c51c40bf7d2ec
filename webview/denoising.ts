import type { Denoising } from '../src/protocol/report.ts';
import { element, missing, section } from './element.ts';
import { type Player, player } from './player.ts';

/** The section that plays how completions were denoised: the canvas after each denoising step. */
export function denoisings(all: readonly Denoising[]): HTMLElement {
  const shown = all.filter(({ frames }) => frames.length > 0);
  if (shown.length === 0) return section('denoising', 'Denoising', missing('No completion was recorded step by step.'));
  const container = element('div', {});
  let current: Player | null = null;
  const show = (index: number) => {
    current?.pause();
    current = player(shown[index] as Denoising);
    container.replaceChildren(current.root);
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
      'The model starts from a canvas of masks and reveals some tokens at every step, in any order. The colour of a token shows when it was revealed, and the bar below it shows the confidence.',
    ),
    ...(shown.length > 1 ? [element('div', { class: 'controls' }, choice)] : []),
    container,
  );
}
