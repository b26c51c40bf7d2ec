import type { Denoising } from '../../src/protocol/report.ts';
import type { CompletionFrame, DenoiseResult } from '../../src/protocol/runtime.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { fold, type KeptDenoising, unfold } from './kept-denoising.ts';

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
export interface Place {
  /** Identifies the group. */
  readonly key: string;
  readonly alternatives: readonly Alternative[];
  readonly chosen: number;
}

/** The completions that can be shown, and the one that is shown. The page is drawn from this state. */
export interface Watched {
  readonly source: Source | null;
  readonly known: Readonly<Partial<Record<Source, Place>>>;
  /** A newer live completion, held back while the user steps through the current one. */
  readonly waiting: Place | null;
}

export const nothingWatched: Watched = { source: null, known: {}, waiting: null };

/** The shown group; null: none. */
export const placeOf = ({ source, known }: Watched): Place | null => (source === null ? null : (known[source] ?? null));

/** The shown completion. */
export function chosenOf(watched: Watched): Alternative | null {
  const place = placeOf(watched);
  return place?.alternatives[place.chosen] ?? null;
}

/** Shows a group of a source. */
export const lookAt = (watched: Watched, source: Source, place = watched.known[source]): Watched => ({
  ...watched,
  source,
  known: place ? { ...watched.known, [source]: place } : watched.known,
});

export function choose(watched: Watched, chosen: number): Watched {
  const place = placeOf(watched);
  return place && watched.source ? lookAt(watched, watched.source, { ...place, chosen }) : watched;
}

/**
 * Adds a step of the current completion in an editor. It is shown, unless the user is stepping through the previous one;
 * then the newer one waits. Another shown source stays.
 */
export function withLiveFrame(watched: Watched, live: CompletionFrame, scrubbing: boolean): Watched {
  const key = `live ${live.request}`;
  const { known, waiting, source } = watched;
  const before = [waiting, known.live].find((place) => place?.key === key)?.alternatives[0];
  const denoising: Denoising = {
    title: `${live.uri.split('/').at(-1)}, line ${live.line + 1}`,
    prompt: live.prefixTail,
    outcome: null,
    frames: [...(before?.denoising.frames ?? []), live.frame],
  };
  const text = live.done ? wholeText(live.frame) : null;
  const place: Place = { key, chosen: 0, alternatives: [{ denoising, text, confidence: null }] };
  if (scrubbing && known.live?.key !== key) return { ...watched, waiting: place };
  return { source: source ?? 'live', known: { ...known, live: place }, waiting: null };
}

/** Shows the waiting completion. */
export const followNewest = (watched: Watched): Watched => ({
  ...lookAt(watched, 'live', watched.waiting ?? watched.known.live),
  waiting: null,
});

/** Starts a request, whose completions have no step yet. */
export const beginHere = (watched: Watched, key: string): Watched =>
  lookAt(watched, 'here', { key, alternatives: [], chosen: 0 });

/** Adds a step of one of the requested completions. */
export function withFrame(watched: Watched, index: number, frame: Frame): Watched {
  const place = watched.known.here;
  if (!place) return watched;
  const made = Math.max(index + 1, place.alternatives.length);
  const alternatives = Array.from({ length: made }, (_, each): Alternative => {
    const before = place.alternatives[each] ?? unbegun(each);
    if (each !== index) return before;
    const { denoising } = before;
    return { ...before, denoising: { ...denoising, frames: [...denoising.frames, frame] } };
  });
  return { ...watched, known: { ...watched.known, here: { ...place, alternatives } } };
}

const unbegun = (index: number): Alternative => ({
  denoising: { title: `Alternative ${index + 1}`, prompt: '', outcome: null, frames: [] },
  text: null,
  confidence: null,
});

/**
 * Adds the finished completions of a request. The best one is shown, unless the user has chosen another one or is
 * stepping through one.
 */
export function withResult(
  watched: Watched,
  key: string,
  { alternatives, best }: DenoiseResult,
  scrubbing: boolean,
): Watched {
  const before = watched.known.here?.chosen ?? 0;
  return lookAt(watched, 'here', { key, alternatives, chosen: before > 0 || scrubbing ? before : best });
}

/** Removes the completions of a request that did not finish. */
export function withoutUnfinished(watched: Watched): Watched {
  const { here, ...known } = watched.known;
  if (!here || here.alternatives.some(({ text }) => text !== null)) return watched;
  const source = watched.source === 'here' ? (sources.find((one) => one in known) ?? null) : watched.source;
  return { ...watched, source, known };
}

/** The part of the state that is saved, except samples, which are read again; null: nothing. */
export function keptOf({ known: { here } }: Watched): KeptDenoising | null {
  if (!here || here.alternatives.length === 0 || here.alternatives.some(({ text }) => text === null)) return null;
  const alternatives = here.alternatives.map(({ text, confidence, denoising }) => ({
    text: text ?? '',
    confidence: confidence ?? 0,
    last: fold(denoising),
  }));
  return { kind: 'here', key: here.key, chosen: here.chosen, alternatives };
}

/** Restores a saved state. */
export const restored = ({ key, chosen, alternatives }: Extract<KeptDenoising, { kind: 'here' }>): Watched =>
  lookAt(nothingWatched, 'here', {
    key,
    chosen,
    alternatives: alternatives.map(({ last, ...about }) => ({ ...about, denoising: unfold(last) })),
  });

/** The text of a frame up to its first mask; null if it is empty or ends within a character. */
function wholeText({ tokens }: Frame): string | null {
  const open = tokens.indexOf(null);
  const text = tokens.slice(0, open === -1 ? undefined : open).join('');
  return text === '' || text.includes('\ufffd') ? null : text;
}
