import { pairedDifference, rateDifference, rateInterval, shareInterval } from '../evaluation/statistics.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Score } from '../tasks/task.ts';
import {
  type Completer,
  type CompletionScores,
  type InfillingItem,
  infillingMetrics,
  metricScores,
  scoreItem,
} from './infilling.ts';

/** Something that fills gaps. */
export interface InfillingMethod {
  readonly name: string;
  readonly complete: Completer;
  /** How often it is asked for: alternatives of which the best is shown, or one answer. */
  readonly answers: 'several' | 'one';
  /** Bits of what is predicted of an item, and whether they are its own or an upper bound of them; absent: it has none. */
  readonly likelihood?: { readonly bits: (item: InfillingItem) => Promise<number>; readonly are: 'exact' | 'bound' };
}

/** What rows are compared in; of `bits_per_character` less is better, of `empty` neither. */
export const comparedMetrics = [...infillingMetrics, 'bits_per_character'] as const;
export type ComparedMetric = (typeof comparedMetrics)[number];
type Metrics = Readonly<Partial<Record<ComparedMetric, Interval>>>;

/** One way of answering by one method. */
export interface InfillingRow {
  readonly name: string;
  readonly metrics: Metrics;
  readonly bits?: 'exact' | 'bound';
  /** This row minus the first one, on the same items; absent for the first. */
  readonly difference?: Metrics;
}

/** The model against a baseline in a metric: the first row of each, and the model's lowest bits; the model minus the baseline. */
export interface InfillingVerdict {
  readonly metric: ComparedMetric;
  readonly model: string;
  readonly baseline: string;
  readonly difference: Interval;
  /** Who is ahead; null: the interval of the difference has 0 in it. */
  readonly winner: string | null;
}

export interface InfillingComparison {
  readonly n: number;
  /** Items whose bits were counted: their middle fits into the model's canvas. */
  readonly scored: number;
  readonly rows: readonly InfillingRow[];
  readonly verdicts: readonly InfillingVerdict[];
}

/** An item whose bits can be counted, and the characters that they are bits of. */
export type Measured = (item: InfillingItem) => { readonly fits: boolean; readonly characters: number };

interface Answers {
  readonly name: string;
  readonly scores: Partial<Record<ComparedMetric, readonly Score[]>>;
  readonly bits?: 'exact' | 'bound';
}

/**
 * Fills the items' gaps by every method. The first of `own` is what the others are set against; `baselines` are others'.
 *
 * @param step told of every piece of a method's work before it is begun; throws to stop
 */
export async function compareInfilling(
  items: readonly InfillingItem[],
  { own, baselines }: { readonly own: readonly InfillingMethod[]; readonly baselines: readonly InfillingMethod[] },
  measured: Measured,
  step: (method: string, done: number, of: number) => void,
): Promise<InfillingComparison> {
  const counted = items.filter((item) => measured(item).fits);
  const answers: (readonly Answers[])[] = [];
  for (const method of [...own, ...baselines])
    answers.push(await answersOf(method, { items, counted, measured, step }));
  const all = answers.flat();
  const ours = answers.slice(0, own.length).flat();
  return {
    n: items.length,
    scored: counted.length,
    rows: all.map((row, index) => rowOf(row, index === 0 ? null : (all[0] as Answers))),
    verdicts: answers.slice(own.length).flatMap(([first]) => verdictsOf(ours, first as Answers)),
  };
}

interface Work {
  readonly items: readonly InfillingItem[];
  readonly counted: readonly InfillingItem[];
  readonly measured: Measured;
  readonly step: (method: string, done: number, of: number) => void;
}

async function answersOf(method: InfillingMethod, { items, counted, measured, step }: Work): Promise<Answers[]> {
  const { name, complete, answers, likelihood } = method;
  const pieces = items.length + (likelihood ? counted.length : 0);
  const shown: CompletionScores[] = [];
  const likeliest: CompletionScores[] = [];
  for (const [index, item] of items.entries()) {
    step(name, index, pieces);
    const scores = await scoreItem(item, complete);
    shown.push(scores.shown);
    likeliest.push(scores.likeliest);
  }
  const bits: Score[] = [];
  if (likelihood)
    for (const [index, item] of counted.entries()) {
      step(name, items.length + index, pieces);
      bits.push({ value: await likelihood.bits(item), weight: measured(item).characters });
    }
  const scoresOf = (completions: readonly CompletionScores[]): Answers['scores'] =>
    Object.fromEntries(infillingMetrics.map((metric) => [metric, metricScores(completions, metric)]));
  const first: Answers = {
    name,
    scores: {
      ...scoresOf(answers === 'several' ? shown : likeliest),
      ...(bits.length > 0 ? { bits_per_character: bits } : {}),
    },
    ...(likelihood && bits.length > 0 ? { bits: likelihood.are } : {}),
  };
  // How likely the middle is does not depend on which answer is taken, so it stands in one row.
  return answers === 'one' ? [first] : [first, { name: `${name}, likeliest`, scores: scoresOf(likeliest) }];
}

function rowOf({ name, scores, bits }: Answers, first: Answers | null): InfillingRow {
  return {
    name,
    metrics: each(scores, intervalOf),
    ...(bits ? { bits } : {}),
    ...(first && {
      difference: each(scores, (metric, found) => {
        const before = first.scores[metric];
        return before && differenceOf(metric, before, found);
      }),
    }),
  };
}

function verdictsOf(own: readonly Answers[], baseline: Answers): InfillingVerdict[] {
  return comparedMetrics.flatMap((metric) => {
    const able = own.filter(({ scores }) => scores[metric]);
    const lessIsBetter = metric === 'bits_per_character';
    const model = lessIsBetter ? able.toSorted((a, b) => scoreOf(metric, a) - scoreOf(metric, b))[0] : able[0];
    const theirs = baseline.scores[metric];
    if (metric === 'empty' || !model || !theirs) return [];
    const difference = differenceOf(metric, theirs, model.scores[metric]!);
    const [better, worse] = lessIsBetter ? [baseline.name, model.name] : [model.name, baseline.name];
    const winner = difference.low > 0 ? better : difference.high < 0 ? worse : null;
    return [{ metric, model: model.name, baseline: baseline.name, difference, winner }];
  });
}

const scoreOf = (metric: ComparedMetric, { scores }: Answers): number => intervalOf(metric, scores[metric]!).value;

/** How like a middle an answer is, and how many bits a middle takes, are rates; what is yes or no for an item is a share. */
function intervalOf(metric: ComparedMetric, scores: readonly Score[]): Interval {
  if (metric === 'bits_per_character') return rateInterval(scores);
  if (metric !== 'edit_similarity') return shareInterval(scores);
  const { value, low, high } = rateInterval(scores);
  return { value, low: Math.max(0, low), high: Math.min(1, high) };
}

const differenceOf = (metric: ComparedMetric, before: readonly Score[], after: readonly Score[]): Interval =>
  metric === 'bits_per_character' || metric === 'edit_similarity'
    ? rateDifference(before, after)
    : pairedDifference(before, after);

function each(
  scores: Answers['scores'],
  of: (metric: ComparedMetric, found: readonly Score[]) => Interval | undefined,
): Metrics {
  const entries = comparedMetrics.flatMap((metric) => {
    const found = scores[metric];
    const interval = found && of(metric, found);
    return interval ? [[metric, interval] as const] : [];
  });
  return Object.fromEntries(entries);
}
