import { shareInterval } from '../evaluation/statistics.ts';
import { alternativesTemperature, defaultSettings } from '../protocol/default-settings.ts';
import type { Interval } from '../protocol/interval.ts';
import { GapSyntax, syntaxErrors } from '../syntax/error-count.ts';
import type { Score } from '../tasks/task.ts';
import { editSimilarity } from './edit-similarity.ts';
import { withoutOverlap } from './overlap.ts';

/**
 * The kinds of gaps: the rest of a line; the rest of a line and some lines below it, or the body that a line opens;
 * any span of characters.
 */
export const infillingKinds = ['line', 'lines', 'span'] as const;
export type InfillingKind = (typeof infillingKinds)[number];

/** A gap in a file, with the original text. */
export interface InfillingItem {
  readonly kind: InfillingKind;
  readonly prefix: string;
  readonly middle: string;
  readonly suffix: string;
  /** VS Code's language id. */
  readonly language: string;
  /** Syntax errors of the original file. */
  readonly errors: number;
  /** Path of the file that the gap is in. */
  readonly file?: string;
}

/** Whether a single line is expected. Every completer knows this. */
export const isSingleLine = ({ kind }: Pick<InfillingItem, 'kind'>): boolean => kind === 'line';

/** Fills a gap: alternatives, the best guess first. */
export type Completer = (item: InfillingItem) => Promise<readonly string[]>;

/** The number of alternatives, of which an editor shows one, and the temperature of the sampled ones. */
export const shownAlternatives = {
  alternatives: defaultSettings.completions.alternatives,
  temperature: alternativesTemperature,
} as const;

/** The metrics of each completion. */
export const infillingMetrics = ['exact_match', 'edit_similarity', 'parses', 'empty'] as const;
export type InfillingMetric = (typeof infillingMetrics)[number];

/**
 * The scores of one completion, each from 0 to 1. `exact_match`: equals the original text, except white space at the
 * end. `edit_similarity`: `editSimilarity` to the original text. `parses`: the file with the completion has no more
 * syntax errors than the original. `empty`: the completion is only white space, which usually parses too.
 */
export type CompletionScores = Readonly<Record<InfillingMetric, number>>;

/** The scores of the alternative that an editor shows (the one with the fewest syntax errors), and of the first one. */
export interface ItemScores {
  readonly shown: CompletionScores;
  readonly likeliest: CompletionScores;
}

/** The answer as an editor inserts it, without an end that repeats the text after the gap. */
const trimmedAnswer = ({ suffix }: InfillingItem, text: string): string => withoutOverlap(text, suffix);

/** Whether no later alternative could be better than this one, so that no more are generated. */
export async function isBest(item: InfillingItem, alternative: string): Promise<boolean> {
  const text = trimmedAnswer(item, alternative);
  return text.trim() !== '' && new GapSyntax(item.language, item).isClean(text);
}

/** Completes an item and scores the answers. */
export async function scoreItem(item: InfillingItem, complete: Completer): Promise<ItemScores> {
  const alternatives = (await complete(item)).map((text) => trimmedAnswer(item, text));
  const [best] = await new GapSyntax(item.language, item).order(alternatives);
  const likeliest = await scoreCompletion(item, alternatives[0] as string);
  return { likeliest, shown: best === 0 ? likeliest : await scoreCompletion(item, alternatives[best!] as string) };
}

async function scoreCompletion(item: InfillingItem, text: string): Promise<CompletionScores> {
  const { prefix, middle, suffix, language, errors } = item;
  const left = (await syntaxErrors(language, prefix + text + suffix)) ?? 0;
  return {
    exact_match: Number(text.trimEnd() === middle.trimEnd()),
    edit_similarity: editSimilarity(text, middle),
    parses: Number(left <= errors),
    empty: Number(text.trim() === ''),
  };
}

/** Completes and scores every item, one at a time; `beforeItem` receives the number of completed items, and may throw to stop. */
export async function scoreItems(
  items: readonly InfillingItem[],
  complete: Completer,
  beforeItem: (done: number) => void = () => undefined,
): Promise<ItemScores[]> {
  const scores: ItemScores[] = [];
  for (const item of items) {
    beforeItem(scores.length);
    scores.push(await scoreItem(item, complete));
  }
  return scores;
}

/** One metric of several completions, as scores for intervals and differences. */
export const metricScores = (completions: readonly CompletionScores[], metric: InfillingMetric): Score[] =>
  completions.map((scores) => ({ value: scores[metric], weight: 1 }));

/** The shares of exact matches and of completions that parse, with their intervals. Items count as independent. */
export const sharesOf = (completions: readonly CompletionScores[]): Record<'exact_match' | 'parses', Interval> => ({
  exact_match: shareInterval(metricScores(completions, 'exact_match')),
  parses: shareInterval(metricScores(completions, 'parses')),
});
