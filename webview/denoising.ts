import type { Denoising } from '../src/protocol/report.ts';
import { element, missing, section } from './element.ts';
import { type Player, player } from './player.ts';

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
