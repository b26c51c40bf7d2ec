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

/** A method that fills gaps. */
export interface InfillingMethod {
  readonly name: string;
  readonly complete: Completer;
  /** Whether it gives several alternatives, of which the best is shown, or one answer. */
  readonly answers: 'several' | 'one';
  /** Bits of an item's middle, and whether they are exact or an upper bound. Absent: the method has no likelihood. */
  readonly likelihood?: { readonly bits: (item: InfillingItem) => Promise<number>; readonly are: 'exact' | 'bound' };
}

/** The compared metrics. Lower `bits_per_character` is better; `empty` has no better direction. */
export const comparedMetrics = [...infillingMetrics, 'bits_per_character'] as const;
export type ComparedMetric = (typeof comparedMetrics)[number];
type Metrics = Readonly<Partial<Record<ComparedMetric, Interval>>>;

/** A row of the table: one method, with one choice among its alternatives. */
export interface InfillingRow {
  readonly name: string;
  readonly metrics: Metrics;
  readonly bits?: 'exact' | 'bound';
  /** This row minus the first row, on the same items; absent for the first row. */
  readonly difference?: Metrics;
}

/**
 * The model compared with a baseline in one metric: the first row of each; for bits, the model's row with the fewest.
 * `difference` is the model minus the baseline.
 */
export interface InfillingVerdict {
  readonly metric: ComparedMetric;
  readonly model: string;
  readonly baseline: string;
  readonly difference: Interval;
  /** The better of the two; null: the interval of the difference includes 0. */
  readonly winner: string | null;
}

export interface InfillingComparison {
  readonly n: number;
  /** Number of items whose bits were counted, because the middle fits into the model's canvas. */
  readonly scored: number;
  readonly rows: readonly InfillingRow[];
  readonly verdicts: readonly InfillingVerdict[];
}

/** Whether the bits of an item can be counted, and the number of characters that they encode. */
export type MeasureItem = (item: InfillingItem) => { readonly fits: boolean; readonly characters: number };

interface Answers {
  readonly name: string;
  readonly scores: Partial<Record<ComparedMetric, readonly Score[]>>;
  readonly bits?: 'exact' | 'bound';
}

/**
 * Fills the gaps with every method. All rows are compared with the first of `own`; `baselines` are the other models.
 *
 * @param step called before every unit of a method's work; throws to stop
 */
export async function compareInfilling(
  items: readonly InfillingItem[],
  { own, baselines }: { readonly own: readonly InfillingMethod[]; readonly baselines: readonly InfillingMethod[] },
  measured: MeasureItem,
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
  readonly measured: MeasureItem;
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
  // The likelihood of the middle does not depend on the choice of the answer, so only one row has it.
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
    const baselineScores = baseline.scores[metric];
    if (metric === 'empty' || !model || !baselineScores) return [];
    const difference = differenceOf(metric, baselineScores, model.scores[metric]!);
    const [better, worse] = lessIsBetter ? [baseline.name, model.name] : [model.name, baseline.name];
    const winner = difference.low > 0 ? better : difference.high < 0 ? worse : null;
    return [{ metric, model: model.name, baseline: baseline.name, difference, winner }];
  });
}

const scoreOf = (metric: ComparedMetric, { scores }: Answers): number => intervalOf(metric, scores[metric]!).value;

/** Edit similarity and bits are rates; metrics that are 0 or 1 for each item are shares. */
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
