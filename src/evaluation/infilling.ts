import { infill } from '../diffusion/infill.ts';
import type { LanguageModel } from '../model/language-model.ts';
import type { Interval } from '../protocol/interval.ts';
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

/** What a completer wrote into a gap. */
export type Completer = (item: InfillingItem) => Promise<string>;

export interface InfillingScores {
  /** The middle to the letter, white space at its end aside. */
  readonly exact_match: Interval;
  /** The file with the completion has no syntax error. */
  readonly parses: Interval;
}

/** A model as a completer, greedy, as an editor asks for completions. */
export function modelCompleter(model: LanguageModel, threshold: number, contextTokens = 512): Completer {
  return async ({ prefix, suffix, singleLine }) => {
    const request = { prefix, suffix, singleLine, threshold, contextTokens, alternatives: 1, seed: 0, temperature: 0 };
    return (await infill(model, request)).alternatives[0]!.text;
  };
}

/** Completes every item; the items' files are expected to parse as they are. */
export async function scoreInfilling(items: readonly InfillingItem[], complete: Completer): Promise<InfillingScores> {
  const exact: number[] = [];
  const parses: number[] = [];
  for (const item of items) {
    const text = await complete(item);
    exact.push(Number(text.trimEnd() === item.middle.trimEnd()));
    parses.push(Number(await isWellFormed(item.language, item.prefix + text + item.suffix)));
  }
  const interval = (outcomes: readonly number[]) => shareInterval(outcomes.map((value) => ({ value, weight: 1 })));
  return { exact_match: interval(exact), parses: interval(parses) };
}
