import { infill } from '../diffusion/infill.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Interval } from '../protocol/interval.ts';
import { orderBySyntax } from '../workspace/syntax-order.ts';
import { isWellFormed } from '../workspace/syntax-trees.ts';
import { shareInterval } from './statistics.ts';

/** A gap in a file, with what stood there. */
export interface InfillingItem {
  readonly prefix: string;
  readonly middle: string;
  readonly suffix: string;
  /** VS Code's id. */
  readonly language: string;
  readonly singleLine: boolean;
}

/** What a completer wrote into a gap: alternatives, the likeliest first. */
export type Completer = (item: InfillingItem) => Promise<readonly string[]>;

/** Of the alternative that an editor shows: the one with the fewest syntax errors, the likeliest of these. */
export interface InfillingScores {
  /** The middle to the letter, white space at its end aside. */
  readonly exact_match: Interval;
  /** The file with the completion has no syntax error. */
  readonly parses: Interval;
  /** The same of the likeliest alternative. */
  readonly likeliest: { readonly exact_match: Interval; readonly parses: Interval };
}

/** Alternatives, of which an editor shows one, and the temperature of those behind the first. */
export const shownAlternatives = { alternatives: 3, temperature: 0.8 } as const;

/** A model as a completer: as an editor asks for completions, without its rules of what is shown. */
export function modelCompleter(model: LanguageModel, threshold: number, contextTokens = 512): Completer {
  return async ({ prefix, suffix, singleLine }) => {
    const request = { prefix, suffix, singleLine, threshold, contextTokens, seed: 0, ...shownAlternatives };
    return (await infill(model, request)).alternatives.map(({ text }) => text);
  };
}

/** Completes every item; the items' files are expected to parse as they are. */
export async function scoreInfilling(items: readonly InfillingItem[], complete: Completer): Promise<InfillingScores> {
  const shown: Outcome[] = [];
  const likeliest: Outcome[] = [];
  for (const item of items) {
    const alternatives = await complete(item);
    const [best] = await orderBySyntax(item.language, item, alternatives);
    const outcomes = new Map<string, Outcome>();
    for (const text of new Set([alternatives[0] as string, alternatives[best as number] as string]))
      outcomes.set(text, {
        exact: Number(text.trimEnd() === item.middle.trimEnd()),
        parses: Number(await isWellFormed(item.language, item.prefix + text + item.suffix)),
      });
    likeliest.push(outcomes.get(alternatives[0] as string) as Outcome);
    shown.push(outcomes.get(alternatives[best as number] as string) as Outcome);
  }
  return { ...shares(shown), likeliest: shares(likeliest) };
}

interface Outcome {
  readonly exact: number;
  readonly parses: number;
}

function shares(outcomes: readonly Outcome[]) {
  const interval = (pick: (outcome: Outcome) => number) =>
    shareInterval(outcomes.map((outcome) => ({ value: pick(outcome), weight: 1 })));
  return { exact_match: interval(({ exact }) => exact), parses: interval(({ parses }) => parses) };
}
