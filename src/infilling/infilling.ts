import { shareInterval } from '../evaluation/statistics.ts';
import { alternativesTemperature, defaultSettings } from '../protocol/default-settings.ts';
import type { Interval } from '../protocol/interval.ts';
import { leavesNoError, orderBySyntax, syntaxErrors } from '../syntax/error-count.ts';
import type { Score } from '../tasks/task.ts';
import { editSimilarity } from './edit-similarity.ts';
import { withoutOverlap } from './overlap.ts';

/** The rest of a line; the rest of a line and lines below it, or the body that a line opens; any span of characters. */
export const infillingKinds = ['line', 'lines', 'span'] as const;
export type InfillingKind = (typeof infillingKinds)[number];

/** A gap in a file, with what stood there. */
export interface InfillingItem {
  readonly kind: InfillingKind;
  readonly prefix: string;
  readonly middle: string;
  readonly suffix: string;
  /** VS Code's id. */
  readonly language: string;
  /** Syntax errors of the file as it is. */
  readonly errors: number;
}

/** Whether one line is wanted, which every completer is told. */
export const isSingleLine = ({ kind }: Pick<InfillingItem, 'kind'>): boolean => kind === 'line';

/** What a completer wrote into a gap: alternatives, the one first that it would give if it gave but one. */
export type Completer = (item: InfillingItem) => Promise<readonly string[]>;

/** Alternatives, of which an editor shows one, and the temperature of those that are drawn. */
export const shownAlternatives = {
  alternatives: defaultSettings.completions.alternatives,
  temperature: alternativesTemperature,
} as const;

/** What each completion is scored by. */
export const infillingMetrics = ['exact_match', 'edit_similarity', 'parses', 'empty'] as const;
export type InfillingMetric = (typeof infillingMetrics)[number];

/**
 * One completion, each number from 0 to 1. `exact_match`: it is the middle to the letter, white space at its end aside.
 * `edit_similarity`: `editSimilarity` to the middle. `parses`: the file with it has no more syntax errors than the
 * original. `empty`: nothing but white space was written, which most often parses too.
 */
export type CompletionScores = Readonly<Record<InfillingMetric, number>>;

/** Of an item's alternatives: the one that an editor shows, with the fewest syntax errors, and the first one. */
export interface ItemScores {
  readonly shown: CompletionScores;
  readonly likeliest: CompletionScores;
}

/** What an answer comes to: an editor cuts what would repeat the text behind the gap. */
const answerTo = ({ suffix }: InfillingItem, text: string): string => withoutOverlap(text, suffix);

/** Whether this is the best of any alternatives that follow it, so that they need not be written. */
export async function isBest(item: InfillingItem, alternative: string): Promise<boolean> {
  const text = answerTo(item, alternative);
  return text.trim() !== '' && leavesNoError(item.language, item, text);
}

/** Completes an item and scores what came. */
export async function scoreItem(item: InfillingItem, complete: Completer): Promise<ItemScores> {
  const alternatives = (await complete(item)).map((text) => answerTo(item, text));
  const [best] = await orderBySyntax(item.language, item, alternatives);
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

/** Completes every item, one after the other. */
export async function scoreItems(items: readonly InfillingItem[], complete: Completer): Promise<ItemScores[]> {
  const scores: ItemScores[] = [];
  for (const item of items) scores.push(await scoreItem(item, complete));
  return scores;
}

/** A metric of several completions as what its interval and its differences are made of. */
export const metricScores = (completions: readonly CompletionScores[], metric: InfillingMetric): Score[] =>
  completions.map((scores) => ({ value: scores[metric], weight: 1 }));

/** The share of completions that are right, and of those that parse, with their intervals; items are independent. */
export const sharesOf = (completions: readonly CompletionScores[]): Record<'exact_match' | 'parses', Interval> => ({
  exact_match: shareInterval(metricScores(completions, 'exact_match')),
  parses: shareInterval(metricScores(completions, 'parses')),
});
