import type { EvaluationEvent, StepEvent } from '../src/protocol/events.ts';
import { chart } from './chart.ts';
import type { Chart, Curve } from './chart-data.ts';
import { element, missing, section } from './element.ts';
import { count, label, percent } from './numbers.ts';

/** A chart of step metrics with their names and labels; a name that ends in `*` matches all names with this prefix. */
interface Panel {
  readonly title: string;
  readonly note?: string;
  readonly format?: (value: number) => string;
  readonly metrics: readonly (readonly [name: string, label: string])[];
  /** Whether only some runs record it, so that nobody misses it in the others. */
  readonly isOptional?: boolean;
}

const boundsNote =
  'The upper bound (EUBO) is known up to a constant, so compare its changes and not its value with the lower bound.';

const panels: readonly Panel[] = [
  {
    title: 'Reward',
    metrics: [
      ['reward', 'reward'],
      ['rewards/*', ''],
    ],
  },
  { title: 'Reward spread within a group', metrics: [['reward_std', 'standard deviation']] },
  {
    title: 'Groups with equal rewards',
    note: 'A group with equal rewards has no advantage and adds nothing to the gradient.',
    format: percent,
    metrics: [['frac_reward_zero_std', 'share of groups']],
  },
  {
    title: 'Attempts that pass, by difficulty',
    note: 'Harder problems are drawn once enough attempts at easier ones pass.',
    format: percent,
    metrics: [['pass_rate/*', '']],
    isOptional: true,
  },
  { title: 'Loss', metrics: [['loss', 'loss']] },
  { title: 'Gradient norm, before clipping', metrics: [['grad_norm', 'gradient norm']] },
  {
    title: 'Likelihood bounds, nats per token',
    note: boundsNote,
    metrics: [
      ['elbo_positive', 'ELBO, positive advantage'],
      ['eubo_negative', 'EUBO, negative advantage'],
      ['elbo_negative', 'ELBO, negative advantage'],
    ],
  },
  { title: 'Entropy of predictions, nats', metrics: [['entropy', 'entropy']] },
  {
    title: 'Completion length, tokens',
    metrics: [
      ['completions/mean_length', 'mean'],
      ['completions/min_length', 'shortest'],
      ['completions/max_length', 'longest'],
    ],
  },
  { title: 'Speed, tokens per second', metrics: [['tokens_per_second', 'tokens per second']] },
  { title: 'Time per step by phase, seconds', metrics: [['time/*', '']] },
  { title: 'Processors in use', metrics: [['system/processors', 'processors']], isOptional: true },
  { title: 'Memory of the process, MiB', metrics: [['system/memory', 'memory']], isOptional: true },
  { title: 'Learning rate', metrics: [['learning_rate', 'learning rate']] },
];

/** Counters and names that every step has; they are not plotted. */
const notPlotted = new Set(['step', 'time', 'num_tokens', 'epoch']);

/** A run's charts: evaluations first, then every metric of its steps. */
export function chartsOf(steps: readonly StepEvent[], evaluations: readonly EvaluationEvent[]): Chart[] {
  const evaluated = evaluationCharts(evaluations.filter(({ evaluation }) => evaluation.split !== 'trial'));
  return [...evaluated.metrics, ...stepCharts(steps), ...evaluated.measures];
}

/** How to use the charts. */
export const readingNote =
  'Drag across a chart to zoom in, and double-click to zoom out. Click an entry of the legend to show or hide its curve. Use the arrow keys to move from step to step.';

/** Lists the usual metrics that this run does not record; null if none is missing. */
export function notMeasured(charts: readonly Chart[]): string | null {
  const absent = panels.filter((panel) => !panel.isOptional && !charts.some(({ title }) => title === panel.title));
  if (absent.length === 0) return null;
  return `Not recorded in this run: ${absent.map(({ title }) => title.toLowerCase()).join('; ')}.`;
}

/** The section with a run's charts. */
export function curves(steps: readonly StepEvent[], evaluations: readonly EvaluationEvent[]): HTMLElement {
  const charts = chartsOf(steps, evaluations);
  const absent = notMeasured(charts);
  return section(
    'curves',
    'Curves',
    ...(charts.length > 0
      ? [element('p', { class: 'screen-only' }, readingNote), element('div', { class: 'charts' }, ...charts.map(chart))]
      : []),
    ...(steps.length === 0 ? [missing('This run has no training steps.')] : []),
    ...(evaluations.length === 0 ? [missing('This run was not evaluated during training.')] : []),
    ...(steps.length > 0 && absent !== null ? [missing(absent)] : []),
  );
}

function stepCharts(events: readonly StepEvent[]): Chart[] {
  if (events.length === 0) return [];
  const steps = events.map(({ step }) => step);
  const names = [...new Set(events.flatMap((event) => Object.keys(event)))].filter((name) => !notPlotted.has(name));
  const remaining = new Set(names);
  const curve = (name: string, called: string): Curve => {
    remaining.delete(name);
    return { label: called, values: events.map((event) => event[name] ?? null) };
  };
  const charts = panels.map((panel) => ({
    ...panel,
    steps,
    curves: panel.metrics.flatMap(([name, called]) =>
      name.endsWith('*')
        ? names.filter((other) => other.startsWith(name.slice(0, -1))).map((other) => curve(other, partName(other)))
        : remaining.has(name)
          ? [curve(name, called)]
          : [],
    ),
  }));
  const gap = gapChart(events, steps, remaining);
  const others = [...remaining].map((name) => ({ title: label(name), steps, curves: [curve(name, label(name))] }));
  // The gap comes after the chart of the bounds that it is the difference of.
  const bounds = charts.findIndex(({ note }) => note === boundsNote) + 1;
  return [...charts.slice(0, bounds), ...(gap ? [gap] : []), ...charts.slice(bounds), ...others].filter(
    ({ curves }) => curves.length > 0,
  );
}

/** The distinguishing part of `rewards/format/mean` or `time/rollout`. */
const partName = (name: string): string => label(name.replace(/^[^/]+\//, '').replace(/\/mean$/, ''));

/** Upper minus lower bound, on the step's negatives and on held-out samples. */
function gapChart(events: readonly StepEvent[], steps: readonly number[], left: Set<string>): Chart | null {
  const own = events.map(({ eubo_negative: upper, elbo_negative: lower }) =>
    upper === undefined || lower === undefined ? null : upper - lower,
  );
  const heldOut = events.map((event) => event.eubo_elbo_gap ?? null);
  left.delete('eubo_elbo_gap');
  const curves = [
    { label: 'completions with negative advantage', values: own },
    { label: 'held-out samples', values: heldOut },
  ].filter(({ values }) => values.some((value) => value !== null));
  if (curves.length === 0) return null;
  return { title: 'EUBO − ELBO, nats per token', note: gapNote, steps, curves };
}

const gapNote = 'Known up to a constant, so it can be negative.';

/** One chart per task and split, and one per additional measure. */
function evaluationCharts(events: readonly EvaluationEvent[]): { metrics: Chart[]; measures: Chart[] } {
  const kinds = [...new Set(events.map(({ evaluation: { task, split } }) => `${task}, ${split}`))];
  const charts = kinds.map((kind) => {
    const own = events
      .filter(({ evaluation: { task, split } }) => `${task}, ${split}` === kind)
      .sort((a, b) => a.step - b.step);
    const steps = own.map(({ step }) => step);
    const names = (record: (event: EvaluationEvent) => object) => [
      ...new Set(own.flatMap((event) => Object.keys(record(event)))),
    ];
    const metrics = names(({ evaluation }) => evaluation.metrics).map((name) => ({
      label: label(name),
      values: own.map(({ evaluation }) => evaluation.metrics[name]?.value ?? null),
      low: own.map(({ evaluation }) => evaluation.metrics[name]?.low ?? null),
      high: own.map(({ evaluation }) => evaluation.metrics[name]?.high ?? null),
    }));
    const measures = names(({ evaluation }) => evaluation.measures ?? {}).map((name) => ({
      title: name === 'eubo_elbo_gap' ? `EUBO − ELBO, held-out samples (${kind})` : `${label(name)} (${kind})`,
      ...(name === 'eubo_elbo_gap' ? { note: gapNote } : {}),
      steps,
      curves: [{ label: label(name), values: own.map(({ evaluation }) => evaluation.measures?.[name] ?? null) }],
    }));
    const problems = [...new Set(own.map(({ evaluation }) => count(evaluation.n, 'problem')))].join(' or ');
    const title = `Evaluation (${kind})`;
    const note = `${problems}, 95 % confidence intervals.`;
    return { metrics: { title, note, format: percent, steps, curves: metrics }, measures };
  });
  return { metrics: charts.map(({ metrics }) => metrics), measures: charts.flatMap(({ measures }) => measures) };
}
