import type { Denoising } from '../../src/protocol/report.ts';
import type { CompletionFrame, DenoiseResult } from '../../src/protocol/runtime.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { fold, type SavedDenoising, unfold } from './saved-denoising.ts';

/** Where a completion comes from: the current one in an editor, requested in the panel, or a sample of a run. */
export const sources = ['live', 'here', 'sample'] as const;
export type Source = (typeof sources)[number];

/** A completion that can be shown. */
export interface Alternative {
  readonly denoising: Denoising;
  /** The text of the completion; null while it is unfinished or cannot be decoded exactly. */
  readonly text: string | null;
  /** Mean probability of its tokens; null while unknown. */
  readonly confidence: number | null;
}

/** The completions at one position of a document, or one sample. */
export interface CompletionGroup {
  /** Identifies the group. */
  readonly key: string;
  readonly alternatives: readonly Alternative[];
  readonly chosen: number;
}

/** The completions that can be shown, and the one that is shown. The page is drawn from this state. */
export interface ShownCompletions {
  readonly source: Source | null;
  readonly groups: Readonly<Partial<Record<Source, CompletionGroup>>>;
  /** A newer live completion, held back while the user steps through the current one. */
  readonly waiting: CompletionGroup | null;
}

export const nothingShown: ShownCompletions = { source: null, groups: {}, waiting: null };

/** The shown group; null: none. */
export const shownGroup = ({ source, groups }: ShownCompletions): CompletionGroup | null =>
  source === null ? null : (groups[source] ?? null);

/** The shown completion. */
export function shownCompletion(state: ShownCompletions): Alternative | null {
  const group = shownGroup(state);
  return group?.alternatives[group.chosen] ?? null;
}

/** Shows a group of a source. */
export const showGroup = (
  watched: ShownCompletions,
  source: Source,
  group = watched.groups[source],
): ShownCompletions => ({
  ...watched,
  source,
  groups: group ? { ...watched.groups, [source]: group } : watched.groups,
});

export function chooseAlternative(watched: ShownCompletions, chosen: number): ShownCompletions {
  const group = shownGroup(watched);
  return group && watched.source ? showGroup(watched, watched.source, { ...group, chosen }) : watched;
}

/**
 * Adds a step of the current completion in an editor. It is shown, unless the user is stepping through the previous one;
 * then the newer one waits. Another shown source stays.
 */
export function withLiveFrame(watched: ShownCompletions, live: CompletionFrame, scrubbing: boolean): ShownCompletions {
  const key = `live ${live.request}`;
  const { groups, waiting, source } = watched;
  const before = [waiting, groups.live].find((group) => group?.key === key)?.alternatives[0];
  const denoising: Denoising = {
    title: `${live.uri.split('/').at(-1)}, line ${live.line + 1}`,
    prompt: live.prefixTail,
    outcome: null,
    frames: [...(before?.denoising.frames ?? []), live.frame],
  };
  const text = live.done ? decodedText(live.frame) : null;
  const group: CompletionGroup = { key, chosen: 0, alternatives: [{ denoising, text, confidence: null }] };
  if (scrubbing && groups.live?.key !== key) return { ...watched, waiting: group };
  return { source: source ?? 'live', groups: { ...groups, live: group }, waiting: null };
}

/** Shows the waiting completion. */
export const showNewest = (watched: ShownCompletions): ShownCompletions => ({
  ...showGroup(watched, 'live', watched.waiting ?? watched.groups.live),
  waiting: null,
});

/** Starts a request, whose completions have no step yet. */
export const startRequest = (watched: ShownCompletions, key: string): ShownCompletions =>
  showGroup(watched, 'here', { key, alternatives: [], chosen: 0 });

/** Adds a step of one of the requested completions. */
export function withRequestFrame(watched: ShownCompletions, index: number, frame: Frame): ShownCompletions {
  const group = watched.groups.here;
  if (!group) return watched;
  const made = Math.max(index + 1, group.alternatives.length);
  const alternatives = Array.from({ length: made }, (_, each): Alternative => {
    const before = group.alternatives[each] ?? emptyAlternative(each);
    if (each !== index) return before;
    const { denoising } = before;
    return { ...before, denoising: { ...denoising, frames: [...denoising.frames, frame] } };
  });
  return { ...watched, groups: { ...watched.groups, here: { ...group, alternatives } } };
}

const emptyAlternative = (index: number): Alternative => ({
  denoising: { title: `Alternative ${index + 1}`, prompt: '', outcome: null, frames: [] },
  text: null,
  confidence: null,
});

/**
 * Adds the finished completions of a request. The best one is shown, unless the user has chosen another one or is
 * stepping through one.
 */
export function withResult(
  watched: ShownCompletions,
  key: string,
  { alternatives, best }: DenoiseResult,
  scrubbing: boolean,
): ShownCompletions {
  const before = watched.groups.here?.chosen ?? 0;
  return showGroup(watched, 'here', { key, alternatives, chosen: before > 0 || scrubbing ? before : best });
}

/** Removes the completions of a request that did not finish. */
export function withoutUnfinished(watched: ShownCompletions): ShownCompletions {
  const { here, ...groups } = watched.groups;
  if (!here || here.alternatives.some(({ text }) => text !== null)) return watched;
  const source = watched.source === 'here' ? (sources.find((one) => one in groups) ?? null) : watched.source;
  return { ...watched, source, groups };
}

/** The part of the state that is saved, except samples, which are read again; null: nothing. */
export function savedState({ source, groups }: ShownCompletions): SavedDenoising | null {
  const saved = source === 'live' ? 'live' : 'here';
  const group = groups[saved];
  if (!group || group.alternatives.length === 0) return null;
  if (saved === 'here' && group.alternatives.some(({ text }) => text === null)) return null;
  const alternatives = group.alternatives.map(({ text, confidence, denoising }) => ({
    text,
    confidence,
    last: fold(denoising),
  }));
  return { kind: 'here', source: saved, key: group.key, chosen: group.chosen, alternatives };
}

/** Restores a saved state. */
export const restoredState = ({
  source = 'here',
  key,
  chosen,
  alternatives,
}: Extract<SavedDenoising, { kind: 'here' }>): ShownCompletions =>
  showGroup(nothingShown, source, {
    key,
    chosen,
    alternatives: alternatives.map(({ last, ...about }) => ({ ...about, denoising: unfold(last) })),
  });

/** The text of a frame up to its first mask; null if it is empty or ends within a character. */
function decodedText({ tokens }: Frame): string | null {
  const open = tokens.indexOf(null);
  const text = tokens.slice(0, open === -1 ? undefined : open).join('');
  return text === '' || text.includes('\ufffd') ? null : text;
}
