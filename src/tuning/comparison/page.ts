/** A comparison as one HTML file without scripts: tables, and curves as SVG. */
import { createHash } from 'node:crypto';
import { escapeHtml } from '../../evaluation/report.ts';
import type { ComparisonPlan, ComparisonRow, Costs, CurvePoint, FailedRow, ObjectiveSummary } from './records.ts';
import { isFinished, summaryTable } from './summary.ts';

interface PageData {
  readonly plan: ComparisonPlan;
  readonly rows: readonly (ComparisonRow | FailedRow)[];
  readonly summaries: readonly ObjectiveSummary[];
  readonly costs: Costs | null;
  /** The command that repeats the comparison. */
  readonly command: string;
}

export function comparisonPage({ plan, rows, summaries, costs, command }: PageData): string {
  const finished = rows.filter(isFinished);
  const names = summaries.map(({ objective }) => objective);
  const title = `Objectives compared on ${plan.task}`;
  const curvesOf = (pick: (row: ComparisonRow) => readonly CurvePoint[], by: 'rollouts' | 'seconds'): Curve[] => {
    const curveOf = (row: ComparisonRow, label: string, of: 'seed' | 'mean', points: readonly CurvePoint[]) => ({
      ...{ label, of, stroke: strokeOf(names.indexOf(row.objective)) },
      points: points.map((point) => ({
        x: by === 'rollouts' ? point.rollouts : secondsAt(row, point),
        y: point.value,
      })),
    });
    const seeds = finished.map((row) => curveOf(row, `${row.objective}, seed ${row.seed}`, 'seed', pick(row)));
    const means = names.flatMap((name) => {
      const runs = finished.filter(({ objective }) => objective === name);
      const label = `${name}, mean of ${runs.length}`;
      return runs[0] ? [curveOf(runs[0], label, 'mean', meanCurve(runs.map(pick)))] : [];
    });
    return [...seeds, ...means];
  };
  const secondsAt = ({ objective }: ComparisonRow, { step, seconds }: CurvePoint) => {
    const cost = costs?.seconds_per_step[objective];
    return cost === undefined ? seconds : step * cost;
  };
  const overview = summaryTable(summaries);
  const policy = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeHtml(title)}</h1>
<p>Every objective began from the same base and had ${plan.steps} steps of ${plan.settings.prompts_per_step * plan.settings.group_size}
rollouts. Its learning rate is the best of ${plan.learning_rates.length} on validation problems (${plan.trial_steps} steps, a separate
seed). Held-out problems: ${plan.problems}, answered greedily; pass@k from ${plan.samples} sampled answers each. Intervals are
95 %, over seeds (over problems for a single seed). Curves are means over seeds, with thin lines for the single seeds. No run is left out.</p>
${table(overview.head, overview.rows)}
<p>${escapeHtml(costsText(costs))}</p>
<ul class="legend">${names.map((name, index) => `<li><svg width="22" height="10" aria-hidden="true"><line x1="0" y1="5" x2="22" y2="5" ${strokeOf(index)} stroke-width="3"/></svg>${escapeHtml(name)}</li>`).join('')}</ul>
${figure(
  'Mean reward of rollouts, by rollouts',
  'rollouts',
  curvesOf(({ reward }) => smooth(reward), 'rollouts'),
)}
${figure(
  'Mean reward of rollouts, by seconds of training',
  'seconds',
  curvesOf(({ reward }) => smooth(reward), 'seconds'),
)}
${figure(
  'Validation score, by rollouts',
  'rollouts',
  curvesOf(({ validation }) => validation, 'rollouts'),
)}
<h2>Every run</h2>
${table(['objective', 'seed', 'learning rate', 'result', 'run'], rows.map(runCells))}
<h2>Learning rates</h2>
${table(['objective', 'learning rate', 'validation score'], trialCells(rows))}
<h2>How to repeat this comparison</h2>
<pre>${escapeHtml(command)}</pre>
<pre>${escapeHtml(JSON.stringify(plan.settings, null, 2))}</pre>
</body>
</html>
`;
}

const colours = [
  '#3b6fd4',
  '#d1495b',
  '#2a9d6f',
  '#e08e1b',
  '#7d4cc2',
  '#00879b',
  '#a3582b',
  '#c13e96',
  '#6b7a1e',
  '#555f6e',
];

/** A distinct line style for each objective: ten colours, then the same colours dashed. */
function strokeOf(index: number): string {
  const dashes = index < colours.length ? '' : ' stroke-dasharray="5 3"';
  return `stroke="${colours[index % colours.length]}"${dashes}`;
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;display:block;overflow-x:auto;margin:1rem 0;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #8886;white-space:nowrap}
.legend{list-style:none;padding:0;display:flex;flex-wrap:wrap;gap:.3rem 1.2rem}.legend svg{margin-right:.4rem}
figure{margin:1.5rem 0}figcaption{font-weight:600}svg{max-width:100%;height:auto}text{fill:currentColor;font-size:12px}
pre{overflow-x:auto;background:#8881;padding:.8rem}`;

const costsText = (costs: Costs | null): string =>
  costs === null
    ? 'Seconds are those of the runs, which include other load on the machine.'
    : `Seconds per step are medians of ${costs.steps} steps of each objective, measured in turn without other load on ${costs.device} (${costs.machine}).`;

function runCells(row: ComparisonRow | FailedRow): string[] {
  const result = isFinished(row)
    ? Object.entries(row.after)
        .map(([name, after]) => `${name} ${row.before[name]?.value.toFixed(3) ?? ''} → ${after.value.toFixed(3)}`)
        .join(', ')
    : row.failed;
  return [
    row.objective,
    String(row.seed),
    row.learning_rate.toPrecision(2),
    result,
    isFinished(row) ? row.run : 'failed',
  ];
}

function trialCells(rows: readonly (ComparisonRow | FailedRow)[]): string[][] {
  const first = new Map(rows.map((row) => [row.objective, row]));
  return [...first.values()].flatMap(({ objective, trials }) =>
    trials.map(({ learning_rate, score }) => [
      objective,
      learning_rate.toPrecision(2),
      score === null ? 'failed' : score.toFixed(3),
    ]),
  );
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: 'th' | 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<table><thead>${line(head, 'th')}</thead><tbody>${rows.map((cells) => line(cells, 'td')).join('')}</tbody></table>`;
}

/** The mean over the points that all seeds have. */
function meanCurve([first = [], ...others]: readonly (readonly CurvePoint[])[]): CurvePoint[] {
  return first.flatMap((point) => {
    const same = [point, ...others.flatMap((points) => points.find(({ step }) => step === point.step) ?? [])];
    const mean = (of: (each: CurvePoint) => number) => same.reduce((sum, each) => sum + of(each), 0) / same.length;
    if (same.length <= others.length) return [];
    return [{ ...point, seconds: mean(({ seconds }) => seconds), value: mean(({ value }) => value) }];
  });
}

interface Curve {
  /** Whether this is the thin line of one run or the thick mean line of an objective. */
  readonly of: 'seed' | 'mean';
  /** Line style as SVG attributes. */
  readonly stroke: string;
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

const size = { width: 720, height: 300, left: 48, right: 28, top: 12, bottom: 36 };

function figure(caption: string, unit: string, curves: readonly Curve[]): string {
  const points = curves.flatMap((curve) => curve.points);
  if (points.length === 0) return '';
  const [xs, ys] = [points.map(({ x }) => x), points.map(({ y }) => y)];
  const xMost = Math.max(...xs, 1e-9);
  const yLeast = Math.min(...ys);
  const yMost = Math.max(...ys, yLeast + 1e-9);
  const { width, height, left, right, top, bottom } = size;
  const px = (x: number) => left + (x / xMost) * (width - left - right);
  const py = (y: number) => height - bottom - ((y - yLeast) / (yMost - yLeast)) * (height - top - bottom);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  return `<figure><figcaption>${escapeHtml(caption)}</figcaption>
<svg viewBox="0 0 ${width} ${height}" width="${width}" role="img" aria-label="${escapeHtml(caption)}">
${ticks.map((share) => yTick(yLeast + share * (yMost - yLeast), py, width - right)).join('')}
${ticks.map((share) => `<text x="${px(share * xMost).toFixed(1)}" y="${height - bottom + 16}" text-anchor="middle">${short(share * xMost)}</text>`).join('')}
<text x="${width - right}" y="${height - 4}" text-anchor="end">${escapeHtml(unit)}</text>
${curves.map(({ of, stroke, label, points }) => `<polyline fill="none" ${stroke} ${of === 'mean' ? 'stroke-width="2"' : 'stroke-width="1" stroke-opacity=".12"'} points="${points.map(({ x, y }) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ')}"><title>${escapeHtml(label)}</title></polyline>`).join('\n')}
</svg></figure>`;
}

function yTick(value: number, py: (y: number) => number, right: number): string {
  const y = py(value).toFixed(1);
  return `<line x1="${size.left}" y1="${y}" x2="${right}" y2="${y}" stroke="currentColor" stroke-opacity=".15"/><text x="${size.left - 6}" y="${y}" text-anchor="end" dominant-baseline="middle">${short(value)}</text>`;
}

const short = (value: number): string =>
  Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(2)).toString();

/** A running mean over five steps, so that ten curves are distinguishable. */
function smooth(points: readonly CurvePoint[]): CurvePoint[] {
  return points.map((point, index) => {
    const window = points.slice(Math.max(0, index - 2), index + 3);
    return { ...point, value: window.reduce((sum, { value }) => sum + value, 0) / window.length };
  });
}
