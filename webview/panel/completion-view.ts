import { element } from '../element.ts';
import { percent } from '../numbers.ts';
import { type Player, player } from '../player.ts';
import { button, choice, emptyView } from './controls.ts';
import type { Host } from './host.ts';
import * as shown from './shown-completions.ts';
import type { ViewStore } from './view-state.ts';

const sourceNames: Readonly<Record<shown.Source, string>> = {
  live: 'Live',
  here: 'At the cursor',
  sample: 'Sample',
};

export interface CompletionViewActions {
  /** The user selects something else to be shown. */
  select(next: shown.ShownCompletions): void;
  /** The user inserts or copies the text of the shown completion. */
  take(kind: 'insert' | 'copy'): void;
}

/** The shown completion in a player, with the choice of its source and alternative. */
export interface CompletionView {
  /** The elements of the view, in the order of the page. */
  readonly elements: readonly HTMLElement[];
  /** The player of the shown completion; null before the first one. */
  readonly player: Player | null;
  /** @param position where a player that is created starts; absent: at the end */
  draw(state: shown.ShownCompletions, position?: number): void;
}

export function completionView(host: Host, store: ViewStore, { select, take }: CompletionViewActions): CompletionView {
  let state = shown.nothingShown;
  let playing: { readonly key: string; readonly player: Player } | null = null;
  const sources = choice('Source');
  const alternatives = choice('Alternatives of this completion');
  const showNewest = button('Show the newest completion', 'arrow-down', () => select(shown.showNewest(state)), {
    secondary: true,
  });
  const empty = emptyView(
    'There is nothing to show yet. Type in an editor to watch its completions, press Denoise here to complete at the cursor, or press Show denoising on a sample of a run.',
    host,
  );
  const container = element('div', {});
  const insert = button('Insert at the cursor', 'insert', () => take('insert'));
  const copy = button('Copy', 'copy', () => take('copy'), { secondary: true });
  const actions = element('div', { class: 'controls' }, insert, copy);

  const play = (key: string, { denoising }: shown.Alternative, position?: number) => {
    if (playing?.key === key) {
      playing.player.update(denoising);
      return;
    }
    playing?.player.pause();
    const hadFocus = container.contains(document.activeElement);
    const next = player(denoising, {
      inspect: true,
      ...(position === undefined ? {} : { position }),
      moved: (to, atEnd) => store.change({ position: atEnd ? null : to }),
    });
    playing = { key, player: next };
    container.replaceChildren(next.root);
    scrollToEnd(next.root.querySelector('.prompt pre'));
    if (hadFocus) next.root.focus();
  };
  const drawChoices = () => {
    const available = shown.sources.filter((source) => state.groups[source] !== undefined);
    sources.show(
      available.map((source) => sourceNames[source]),
      state.source === null ? -1 : available.indexOf(state.source),
      (index) => select(shown.showGroup(state, available[index] as shown.Source)),
    );
    const group = shown.shownGroup(state);
    alternatives.show(group?.alternatives.map(nameOf) ?? [], group?.chosen ?? 0, (index) =>
      select(shown.chooseAlternative(state, index)),
    );
  };
  return {
    elements: [sources.root, showNewest, empty, alternatives.root, container, actions],
    get player() {
      return playing?.player ?? null;
    },
    draw(next, position) {
      state = next;
      const [group, completion] = [shown.shownGroup(state), shown.shownCompletion(state)];
      empty.hidden = completion !== null;
      container.hidden = completion === null;
      actions.hidden = completion === null || completion.text === null;
      showNewest.hidden = state.waiting === null || state.source !== 'live';
      drawChoices();
      if (group && completion && completion.denoising.frames.length > 0)
        play(`${group.key} ${group.chosen}`, completion, position);
    },
  };
}

const nameOf = ({ confidence }: shown.Alternative, index: number): string =>
  confidence === null ? String(index + 1) : `${index + 1} · ${percent(confidence)}`;

/** Shows the end of the prompt, which is the text right before the cursor. */
function scrollToEnd(prompt: Element | null): void {
  if (prompt) prompt.scrollTop = prompt.scrollHeight;
}
