import type { Denoising } from '../../src/protocol/report.ts';
import type { Frame } from '../../src/protocol/sample.ts';

/** Identifies a sample of a run. */
export interface SampleReference {
  readonly dir: string;
  readonly step: number;
  readonly index: number;
  /** Its completion. */
  readonly text: string;
}

/** A denoising that is restored with the page: a sample is read again from its run, completions are stored themselves. */
export type SavedDenoising =
  | ({ readonly kind: 'sample' } & SampleReference)
  | {
      readonly kind: 'here';
      /** `live`: the current completion in an editor. Default: a completion that was requested in the panel. */
      readonly source?: 'live' | 'here';
      readonly key: string;
      readonly alternatives: readonly {
        readonly text: string | null;
        readonly confidence: number | null;
        readonly last: Folded;
      }[];
      readonly chosen: number;
    };

/** A denoising without its frames: revealed tokens do not change, so the last frame and the reveal steps suffice. */
export interface Folded extends Omit<Denoising, 'frames'> {
  readonly steps: number;
  readonly last: Frame;
}

export function fold({ frames, ...about }: Denoising): Folded {
  return { ...about, steps: frames.length, last: frames.at(-1) as Frame };
}

export function unfold({ steps, last, ...about }: Folded): Denoising {
  const frames = Array.from({ length: steps }, (_, step): Frame => {
    const at = <T>(values: readonly (T | null)[]) =>
      values.map((value, position) => ((last.revealedAt[position] ?? Number.POSITIVE_INFINITY) <= step ? value : null));
    return {
      step,
      tokens: at(last.tokens),
      revealedAt: at(last.revealedAt),
      confidence: at(last.confidence),
      ...(last.runnersUp ? { runnersUp: at(last.runnersUp) } : {}),
    };
  });
  return { ...about, frames };
}
