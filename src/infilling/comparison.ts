import { pairedDifference, rateDifference, rateInterval, shareInterval } from '../evaluation/statistics.ts';
import type { Interval } from '../protocol/interval.ts';
import type { Score } from '../tasks/task.ts';
import {
  type Completer,
  type CompletionScores,
  type InfillingItem,
  type ItemScores,
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

/** A method as a table needs it, without what it computes with. */
export interface MethodDescription {
  readonly name: string;
  readonly answers: InfillingMethod['answers'];
  /** What its bits are; null: it has no likelihood. */
  readonly bits: 'exact' | 'bound' | null;
}

/** The compared methods. All rows are compared with the first of `own`; `baselines` are the other models. */
export interface ComparedMethods<Method> {
  readonly own: readonly Method[];
  readonly baselines: readonly Method[];
}

export const describeMethod = ({ name, answers, likelihood }: InfillingMethod): MethodDescription => ({
  name,
  answers,
  bits: likelihood?.are ?? null,
});

/** The results of a method in one gap: the scores of its answers, and the bits of the middle if they are counted. */
export interface MethodScores extends ItemScores {
  readonly bits: number | null;
}

/** A gap in a comparison: whether its bits are counted, the number of characters that they encode, and the scores of every method. */
export interface MeasuredGap extends ReturnType<MeasureItem> {
  readonly scores: readonly MethodScores[];
}

interface Answers {
  readonly name: string;
  readonly scores: Partial<Record<ComparedMetric, readonly Score[]>>;
  readonly bits?: 'exact' | 'bound';
}

/**
 * Fills the gaps with every method, one method after the other.
 *
 * @param step called before every unit of a method's work; throws to stop
 */
export async function measureGaps(
  items: readonly InfillingItem[],
  { own, baselines }: ComparedMethods<InfillingMethod>,
  measured: MeasureItem,
  step: (method: string, done: number, of: number) => void,
): Promise<MeasuredGap[]> {
  const columns: (readonly MethodScores[])[] = [];
  for (const method of [...own, ...baselines]) columns.push(await scoresOf(method, items, measured, step));
  return items.map((item, index) => ({ ...measured(item), scores: columns.map((column) => column[index]!) }));
}

async function scoresOf(
  { name, complete, likelihood }: InfillingMethod,
  items: readonly InfillingItem[],
  measured: MeasureItem,
  step: (method: string, done: number, of: number) => void,
): Promise<MethodScores[]> {
  const counted = likelihood ? items.filter((item) => measured(item).fits) : [];
  const units = items.length + counted.length;
  const scores: ItemScores[] = [];
  for (const [index, item] of items.entries()) {
    step(name, index, units);
    scores.push(await scoreItem(item, complete));
  }
  const bits = new Map<InfillingItem, number>();
  for (const [index, item] of counted.entries()) {
    step(name, items.length + index, units);
    bits.set(item, await likelihood!.bits(item));
  }
  return items.map((item, index) => ({ ...scores[index]!, bits: bits.get(item) ?? null }));
}

/** The table of measured gaps. */
export function compareInfilling(
  gaps: readonly MeasuredGap[],
  { own, baselines }: ComparedMethods<MethodDescription>,
): InfillingComparison {
  const answers = [...own, ...baselines].map((method, index) => answersOf(method, index, gaps));
  const all = answers.flat();
  const ours = answers.slice(0, own.length).flat();
  return {
    n: gaps.length,
    scored: gaps.filter(({ fits }) => fits).length,
    rows: all.map((row, index) => rowOf(row, index === 0 ? null : (all[0] as Answers))),
    verdicts: answers.slice(own.length).flatMap(([first]) => verdictsOf(ours, first as Answers)),
  };
}

function answersOf(method: MethodDescription, column: number, gaps: readonly MeasuredGap[]): Answers[] {
  const { name, answers } = method;
  const found = gaps.map(({ scores }) => scores[column]!);
  const bits: Score[] = gaps.flatMap(({ scores, characters }) => {
    const own = scores[column]!.bits;
    return own === null ? [] : [{ value: own, weight: characters }];
  });
  const ofMetrics = (completions: readonly CompletionScores[]): Answers['scores'] =>
    Object.fromEntries(infillingMetrics.map((metric) => [metric, metricScores(completions, metric)]));
  const shown = ofMetrics(found.map((one) => one.shown));
  const likeliest = ofMetrics(found.map((one) => one.likeliest));
  const first: Answers = {
    name,
    scores: {
      ...(answers === 'several' ? shown : likeliest),
      ...(bits.length > 0 ? { bits_per_character: bits } : {}),
    },
    ...(method.bits !== null && bits.length > 0 ? { bits: method.bits } : {}),
  };
  // The likelihood of the middle does not depend on the choice of the answer, so only one row has it.
  return answers === 'one' ? [first] : [first, { name: `${name}, likeliest`, scores: likeliest }];
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
