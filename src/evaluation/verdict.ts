import path from 'node:path';
import type { EvaluationReport, EvaluationSummary, MetricDifference } from '../protocol/evaluation.ts';
import type { Interval } from '../protocol/interval.ts';
import type { MetricComparison, ReportHeadline } from '../protocol/report.ts';
import type { Json } from '../protocol/run.ts';

/**
 * The result in sentences, for the terminal and the report. They claim only what the interval of a paired difference
 * supports: first the change, then the comparison with the control.
 */
export function verdicts(headline: ReportHeadline): string[] {
  const [first] = headline.metrics;
  if (first === undefined) return ['No metric was measured.'];
  return [gainVerdict(first, headline.n), controlVerdict(first, headline.n)];
}

function gainVerdict({ name, before, after, difference }: MetricComparison, n: number): string {
  const metric = metricLabel(name);
  const change = `from ${percent(before.value)} to ${percent(after.value)} on ${n} held-out ${problems(n)}`;
  if (difference === null) return `${capitalised(metric)} went ${change}; no paired comparison is available.`;
  const interval = `${points(difference)} points, 95 % interval ${range(difference)}, paired`;
  if (difference.low > 0) return `${capitalised(metric)} rose ${change} (${interval}).`;
  if (difference.high < 0) return `${capitalised(metric)} fell ${change} (${interval}).`;
  return `No measurable difference: ${metric} went ${change} (${interval}).`;
}

function controlVerdict({ control, versusControl }: MetricComparison, n: number): string {
  if (control === null || versusControl === null)
    return 'No control was run, so other causes of the change are not excluded.';
  const reached = `The control reached ${percent(control.value)} on the same ${n} ${problems(n)}`;
  const interval = `${points(versusControl)} points, 95 % interval ${range(versusControl)}, paired`;
  if (versusControl.low > 0) return `${reached}, which tuning beats (${interval}).`;
  if (versusControl.high < 0) return `${reached}, which beats tuning (${interval}).`;
  return `${reached}; its difference from tuning is not measurable (${interval}).`;
}

/**
 * An evaluation in sentences: the result, the difference from the compared evaluation in each metric, and limitations
 * of the comparison. `others` is the number of problems that the compared evaluation answered.
 */
export function comparisonVerdicts({
  evaluation,
  compared,
  differences,
  shared,
  others,
}: Pick<EvaluationReport, 'evaluation' | 'compared' | 'differences' | 'shared'> & { others: number }): string[] {
  const { result } = evaluation;
  if (result === null) return ['The evaluation has not finished.'];
  const [first] = Object.entries(result.metrics);
  if (first === undefined) return ['No metric was measured.'];
  const [name, { value, low, high }] = first;
  const measured = `${modelName(evaluation)} reached ${percent(value)} ${metricLabel(name)} on ${result.n} ${problems(result.n)} (95 % interval ${percent(low)} to ${percent(high)}).`;
  if (compared === null) return [measured, 'There is no other evaluation to compare it with.'];
  return [
    measured,
    ...differences.map((difference) => differenceVerdict(difference, compared, shared)),
    ...limitations(evaluation, compared, shared, { own: result.n, others }),
  ];
}

function differenceVerdict(
  { name, before, after, difference, verdict }: MetricDifference,
  compared: EvaluationSummary,
  shared: number,
): string {
  const metric = capitalised(metricLabel(name));
  const change = `${percent(after.value)} against ${percent(before.value)} of ${modelName(compared)} on the same ${shared} ${problems(shared)}`;
  const interval = `${points(difference)} points, 95 % interval ${range(difference)}, paired`;
  return verdict === 'not distinguishable'
    ? `No measurable difference in ${metricLabel(name)}: ${change} (${interval}).`
    : `${metric} is ${verdict}, ${change} (${interval}).`;
}

function limitations(
  evaluation: EvaluationSummary,
  compared: EvaluationSummary,
  shared: number,
  { own, others }: { readonly own: number; readonly others: number },
): string[] {
  const partly =
    shared === own && shared === others
      ? []
      : [
          `Only ${shared} ${problems(shared)} ${shared === 1 ? 'is' : 'are'} in both evaluations: this one has ${own}, the other one ${others}. The differences are over the shared problems.`,
        ];
  return [...partly, ...settingDifferences(evaluation, compared)];
}

/** Differences in settings, which may also cause a difference in the result. */
function settingDifferences(evaluation: EvaluationSummary, compared: EvaluationSummary): string[] {
  const of = ({ settings, samples, seed }: EvaluationSummary): Readonly<Record<string, Json>> => ({
    ...settings,
    samples,
    seed,
  });
  const [own, other] = [of(evaluation), of(compared)];
  const shown = (value: Json | undefined) => (value === null || value === undefined ? 'default' : String(value));
  const different = Object.keys({ ...own, ...other })
    .filter((name) => shown(own[name]) !== shown(other[name]))
    .map((name) => `${metricLabel(name)} ${shown(own[name])} here, ${shown(other[name])} there`);
  return different.length === 0 ? [] : [`The two evaluations have different settings: ${different.join('; ')}.`];
}

const modelName = ({ model }: EvaluationSummary): string => path.basename(model ?? 'the model');

/** A metric's name for display: `cell_accuracy` becomes "cell accuracy". */
export const metricLabel = (name: string): string => name.replaceAll('_', ' ');

const problems = (n: number): string => (n === 1 ? 'problem' : 'problems');
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const points = ({ value }: Interval): string => signed(value);
const range = ({ low, high }: Interval): string => `${signed(low)} to ${signed(high)}`;

/** Percentage points with a sign; a number that rounds to 0 has none. */
function signed(share: number): string {
  const text = (100 * share).toFixed(1);
  if (Number(text) === 0) return '0.0';
  return share > 0 ? `+${text}` : `\u2212${text.slice(1)}`;
}
