import type { Denoising } from '../../src/protocol/report.ts';
import type { CompletionFrame, DenoiseResult } from '../../src/protocol/runtime.ts';
import type { Frame } from '../../src/protocol/sample.ts';
import { fold, type KeptDenoising, unfold } from './kept-denoising.ts';

/** Where a completion comes from: under way in an editor, asked for here, or a sample of a run. */
export const sources = ['live', 'here', 'sample'] as const;
export type Source = (typeof sources)[number];

/** A completion that can be looked at. */
export interface Alternative {
  readonly denoising: Denoising;
  /** The completion, where it is finished and known to the letter. */
  readonly text: string | null;
  /** Mean probability of its tokens; null while unknown. */
  readonly confidence: number | null;
}

/** One or several completions of one place. */
export interface Place {
  /** Another key is another place. */
  readonly key: string;
  readonly alternatives: readonly Alternative[];
  readonly chosen: number;
}

/** What can be looked at, and what is; the page is drawn from it. */
export interface Watched {
  readonly source: Source | null;
  readonly known: Readonly<Partial<Record<Source, Place>>>;
  /** A newer completion than the live one that somebody scrubs through. */
  readonly waiting: Place | null;
}

export const nothingWatched: Watched = { source: null, known: {}, waiting: null };

/** The place that is looked at; null: none is. */
export const placeOf = ({ source, known }: Watched): Place | null => (source === null ? null : (known[source] ?? null));

/** The completion that is looked at. */
export function chosenOf(watched: Watched): Alternative | null {
  const place = placeOf(watched);
  return place?.alternatives[place.chosen] ?? null;
}

/** With a place of a source, which is looked at from now on. */
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
 * With a step of the completion under way. It is followed, unless somebody is scrubbing through the one before: then the
 * newer one waits. What is looked at besides does not give way.
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

/** The completion that waits is looked at, and followed. */
export const followNewest = (watched: Watched): Watched => ({
  ...lookAt(watched, 'live', watched.waiting ?? watched.known.live),
  waiting: null,
});

/** Completions are asked for, and have no step yet. */
export const beginHere = (watched: Watched, key: string): Watched =>
  lookAt(watched, 'here', { key, alternatives: [], chosen: 0 });

/** With a step of one of the completions that were asked for. */
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
 * With the completions that were asked for, finished. The best one is looked at, unless another was chosen or somebody is
 * scrubbing through one.
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

/** Without completions that never came to their end. */
export function withoutUnfinished(watched: Watched): Watched {
  const { here, ...known } = watched.known;
  if (!here || here.alternatives.some(({ text }) => text !== null)) return watched;
  const source = watched.source === 'here' ? (sources.find((one) => one in known) ?? null) : watched.source;
  return { ...watched, source, known };
}

/** What of it outlives the page, apart from samples, which are read anew; null: nothing. */
export function keptOf({ known: { here } }: Watched): KeptDenoising | null {
  if (!here || here.alternatives.length === 0 || here.alternatives.some(({ text }) => text === null)) return null;
  const alternatives = here.alternatives.map(({ text, confidence, denoising }) => ({
    text: text ?? '',
    confidence: confidence ?? 0,
    last: fold(denoising),
  }));
  return { kind: 'here', key: here.key, chosen: here.chosen, alternatives };
}

/** As it was kept. */
export const restored = ({ key, chosen, alternatives }: Extract<KeptDenoising, { kind: 'here' }>): Watched =>
  lookAt(nothingWatched, 'here', {
    key,
    chosen,
    alternatives: alternatives.map(({ last, ...about }) => ({ ...about, denoising: unfold(last) })),
  });

/** The completion that a frame holds, up to where it was left off; null where it cannot be put together from its tokens: one may be part of a character. */
function wholeText({ tokens }: Frame): string | null {
  const open = tokens.indexOf(null);
  const text = tokens.slice(0, open === -1 ? undefined : open).join('');
  return text === '' || text.includes('\ufffd') ? null : text;
}
