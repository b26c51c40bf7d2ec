import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Comparison, compare } from '../../src/tuning/comparison/compare.ts';
import { measureCosts } from '../../src/tuning/comparison/costs.ts';
import { comparisonPage } from '../../src/tuning/comparison/page.ts';
import type { ComparisonPlan, ComparisonRow, FailedRow } from '../../src/tuning/comparison/records.ts';
import { readCosts } from '../../src/tuning/comparison/store.ts';
import { isFinished, markdownTable, summarise } from '../../src/tuning/comparison/summary.ts';
import { variantOf } from '../../src/tuning/comparison/variants.ts';
import { tuningSettings } from '../../src/tuning/settings.ts';
import { oneThread, writeTinyCheckpoint } from '../model/tiny-model.ts';
import { temporaryFolder } from '../training/tiny-runs.ts';

let root: string;
let plan: ComparisonPlan;
before(async () => {
  root = await temporaryFolder();
  plan = {
    task: 'sudoku4x4',
    model: await writeTinyCheckpoint(path.join(root, 'model')),
    steps: 3,
    trial_steps: 1,
    learning_rates: [1e-4, 3e-4],
    problems: 3,
    samples: 2,
    settings: tuningSettings.parse({
      prompts_per_step: 2,
      group_size: 3,
      inner_updates: 1,
      evaluate_every: 2,
      evaluation_problems: 2,
      checkpoint_every: 1,
    }),
  };
});
after(() => rm(root, { recursive: true }));

interface Changes {
  readonly plan?: ComparisonPlan;
  readonly objectives?: readonly string[];
  readonly seeds?: number;
  readonly signal?: AbortSignal;
  readonly progress?: (line: string) => void;
}

const run = async (dir: string, { objectives = ['spg-positive', 'wd1'], ...changes }: Changes = {}) =>
  compare(await comparisonOf(dir, objectives, changes));

const comparisonOf = async (
  dir: string,
  objectives: readonly string[],
  changes: Omit<Changes, 'objectives'> = {},
): Promise<Comparison> => ({
  engine: oneThread(),
  dir: path.join(root, dir),
  plan,
  variants: await Promise.all(objectives.map((label) => variantOf(label, (changes.plan ?? plan).settings))),
  seeds: 2,
  progress: () => undefined,
  ...changes,
});

/** The parts of rows that do not depend on time. */
const lasting = (rows: readonly (ComparisonRow | FailedRow)[]) =>
  rows.map((row) => {
    if (!isFinished(row)) return row;
    const { seconds: _, seconds_per_step: __, finished_at: ___, run: ____, ...rest } = row;
    const still = (points: ComparisonRow['reward']) => points.map(({ seconds: _, ...point }) => point);
    return { ...rest, reward: still(row.reward), validation: still(row.validation) };
  });

describe('a comparison', () => {
  it('gives each objective the same rollouts, trials, seeds and evaluation, and can be extended', async () => {
    const rows = await run('whole');
    assert.deepEqual(
      rows.map(({ objective, seed }) => [objective, seed]),
      [
        ['spg-positive', 0],
        ['wd1', 0],
        ['spg-positive', 1],
        ['wd1', 1],
      ],
    );
    for (const row of rows) {
      assert.ok(isFinished(row));
      assert.equal(row.rollouts, 3 * 6);
      assert.deepEqual(
        row.trials.map(({ learning_rate }) => learning_rate),
        plan.learning_rates,
      );
      assert.ok(plan.learning_rates.includes(row.learning_rate));
      assert.deepEqual(Object.keys(row.after), ['cell_accuracy', 'solved']);
      assert.deepEqual(Object.keys(row.pass), ['pass@1', 'pass@2']);
      assert.deepEqual(
        row.reward.map(({ step, rollouts }) => [step, rollouts]),
        [
          [1, 6],
          [2, 12],
          [3, 18],
        ],
      );
      assert.deepEqual(
        row.validation.map(({ step }) => step),
        [0, 2, 3],
      );
      assert.ok(row.seconds > 0 && row.reward.every(({ seconds }) => seconds > 0));
    }
    const lines: string[] = [];
    const again = await run('whole', {
      objectives: ['wd1', 'spg-elbo'],
      seeds: 1,
      progress: (line) => lines.push(line),
    });
    assert.deepEqual(
      lasting(again).filter((row) => row.objective !== 'spg-elbo'),
      lasting(rows),
    );
    assert.equal(again.length, 5);
    assert.ok(!lines.includes('wd1, seed 0'), 'existing rows are not computed again');
  });

  it('that was stopped continues to the same rows', async () => {
    const whole = lasting((await run('whole')).filter(({ objective }) => objective !== 'spg-elbo'));
    for (const [index, stopAt] of [
      'wd1-trial-0: step 0',
      'spg-positive-seed-0: step 2',
      'wd1-seed-1: step 3',
    ].entries()) {
      const abort = new AbortController();
      const progress = (line: string) => {
        if (line.startsWith(stopAt)) abort.abort();
      };
      await assert.rejects(run(`stopped-${index}`, { signal: abort.signal, progress }), { name: 'Interrupted' });
      assert.deepEqual(lasting(await run(`stopped-${index}`)), whole);
    }
  });

  it('continues elsewhere without its runs, from its trials and rows', async () => {
    const whole = lasting((await run('whole')).filter(({ objective }) => objective !== 'spg-elbo'));
    const moved = path.join(root, 'moved');
    await cp(path.join(root, 'whole'), moved, { recursive: true });
    for (const name of ['runs', 'started', 'rows/wd1-seed-1.json', 'rows/spg-elbo-seed-0.json'])
      await rm(path.join(moved, name), { recursive: true });
    const lines: string[] = [];
    assert.deepEqual(lasting(await run('moved', { progress: (line) => lines.push(line) })), whole);
    assert.deepEqual(
      lines.filter((line) => !line.includes(':')),
      ['wd1, seed 1'],
    );
    const trial = path.join(moved, 'trials', 'wd1-trial-0.json');
    await writeFile(trial, '{"learning_rate":"fast"}');
    await assert.rejects(run('moved', { seeds: 3 }), {
      message: /wd1-trial-0\.json is not a trial of a comparison; remove it/,
    });
  });

  it('continues with a plan of an earlier version, which had fewer settings', async () => {
    const file = path.join(root, 'whole', 'plan.json');
    const { settings, ...kept } = JSON.parse(await readFile(file, 'utf8'));
    const { adapter: _, ...fewer } = settings;
    await writeFile(file, JSON.stringify({ ...kept, settings: fewer }));
    assert.equal((await run('whole')).length, 5);
    await writeFile(file, JSON.stringify({ ...kept, settings: { ...fewer, group_size: 4 } }));
    await assert.rejects(run('whole'), /contains a comparison with another settings/);
    await writeFile(file, JSON.stringify({ ...kept, settings }));
  });

  it('rejects another plan', async () => {
    await assert.rejects(run('whole', { plan: { ...plan, steps: 9 } }), {
      name: 'UsageError',
      message: /contains a comparison with another steps; use the same options, or choose another folder with --out/,
    });
  });

  it('records a run that fails as a result', async () => {
    const settings = tuningSettings.parse({ ...plan.settings, learning_rate: 1, max_grad_norm: 0 });
    const wild = { ...plan, settings, learning_rates: [1], steps: 40 };
    const rows = await run('wild', { plan: wild, objectives: ['spg-mixture'], seeds: 1 });
    const [row] = rows;
    // Whether such a large rate leads to numbers that are not finite depends on the machine.
    if (row && !isFinished(row)) assert.match(row.failed, /weights are lost/);
    assert.equal(rows.length, 1);
  });

  it('supports an objective with its own settings, and measures the time of steps', async () => {
    const label = 'wd1:temperature=1.2';
    const [row] = await run('variant', { objectives: [label], seeds: 1 });
    assert.equal(row!.objective, label);
    const [started] = await readdir(path.join(root, 'variant', 'started'));
    assert.ok(started!.startsWith('wd1+temperature=1.2-'), 'a name that is valid on every system');
    const { run: name } = JSON.parse(await readFile(path.join(root, 'variant', 'started', started!), 'utf8'));
    const made = JSON.parse(await readFile(path.join(root, 'variant', 'runs', name, 'run.json'), 'utf8'));
    assert.deepEqual([made.objective, made.settings.temperature], ['wd1', 1.2]);
    for (const [wrong, message] of [
      ['wd2:temperature=1', /Unknown objective wd2/],
      ['wd1:heat=1', /Unknown setting heat/],
      ['wd1:learning_rate=1', /the learning rate is chosen by trials for each objective/],
    ] as const)
      await assert.rejects(variantOf(wrong, plan.settings), { name: 'UsageError', message });

    const costs = await measureCosts(await comparisonOf('variant', [label, 'wd1']), 2);
    assert.equal(costs.steps, 6);
    assert.deepEqual(await readCosts(path.join(root, 'variant')), costs);
    assert.ok(Object.values(costs.seconds_per_step).every((seconds) => seconds > 0));
    assert.deepEqual(
      (await readdir(path.join(root, 'variant'))).filter((name) => name.startsWith('costs')),
      ['costs.json'],
    );
    const [summary] = summarise([row!], [label], costs);
    assert.equal(summary!.seconds_per_step, costs.seconds_per_step[label]);
  });

  it('names an invalid row', async () => {
    const file = path.join(root, 'whole', 'rows', 'nonsense.json');
    await writeFile(file, '[]');
    await assert.rejects(run('whole'), { name: 'UserError', message: /nonsense\.json is not a row of a comparison/ });
    await rm(file);
  });
});

describe('the summary of rows', () => {
  const interval = (value: number) => ({ value, low: value - 0.1, high: value + 0.1 });
  const row = (seed: number, solved: number): ComparisonRow => ({
    objective: 'spg-eubo',
    seed,
    learning_rate: 1e-4,
    trials: [{ learning_rate: 1e-4, score: 0.5 }],
    rollouts: 100,
    seconds: 10,
    seconds_per_step: 1 + seed,
    before: { solved: interval(0.2) },
    after: { solved: interval(solved) },
    pass: { 'pass@1': interval(solved), 'pass@2': interval(solved), 'pass@3': interval(solved) },
    reward: [1, 2, 3].map((step) => ({ step, rollouts: 10 * step, seconds: step, value: step / 4 })),
    validation: [{ step: 3, rollouts: 30, seconds: 3, value: 0.4 }],
    run: `run-${seed}`,
    device: 'onnx cpu',
    version: '0.0.0',
    finished_at: '2026-01-01T00:00:00.000Z',
  });
  const failed: FailedRow = { objective: 'wd1', seed: 0, learning_rate: 1, trials: [], failed: 'It <broke> off.' };

  it('has means and intervals over seeds; for one seed, its own', () => {
    const [one] = summarise([row(0, 0.5)], ['spg-eubo']);
    assert.deepEqual(one!.metrics.solved, interval(0.5));
    const [two, broken] = summarise([row(0, 0.5), row(1, 0.7), failed], ['spg-eubo', 'wd1', 'absent']);
    assert.equal(two!.seeds, 2);
    const { value, low, high } = two!.metrics.solved!;
    // Student's quantile of one degree of freedom is 12.706, and the standard error 0.1.
    assert.ok(Math.abs(value - 0.6) < 1e-9 && low === 0 && high === 1);
    assert.equal(two!.seconds_per_step, 1.5);
    assert.equal(two!.difference, null, 'an objective is not compared with itself');
    // The same seeds: differences of 0.1 and 0.3, a standard error of 0.1 again, kept within -1 and 1.
    const better = [row(0, 0.6), row(1, 1)].map((one) => ({ ...one, objective: 'wd1' }));
    const [, paired] = summarise([row(0, 0.5), row(1, 0.7), ...better], ['spg-eubo', 'wd1']);
    assert.ok(Math.abs(paired!.difference!.value - 0.2) < 1e-9);
    assert.deepEqual([paired!.difference!.low, paired!.difference!.high], [-1, 1]);
    assert.deepEqual([broken!.objective, broken!.seeds, broken!.failed], ['wd1', 1, 1]);
    assert.match(
      markdownTable([two!, broken!]),
      /^\| objective \| seeds \| solved \| pass@1 \| pass@2 \| solved against .*\n.*\n\| spg-eubo \| 2 \| /,
    );
  });

  it('is a self-contained page with a curve for each run, the mean of an objective, and every failure', () => {
    const rows = [row(0, 0.5), row(1, 0.7), failed];
    const page = comparisonPage({
      plan,
      rows,
      summaries: summarise(rows, []),
      costs: null,
      command: 'npx unmask compare',
    });
    assert.equal(page.match(/<polyline/g)!.length, 9, 'two runs and their mean in three figures');
    const strong = [...page.matchAll(/<polyline [^>]*stroke-width="2" points="([^"]*)"><title>(.*?)<\/title>/g)];
    assert.deepEqual([...new Set(strong.map(([, , label]) => label))], ['spg-eubo, mean of 2']);
    const faint = [...page.matchAll(/<polyline [^>]*stroke-opacity[^>]*points="([^"]*)"/g)].map(([, points]) => points);
    const heights = (points: string | undefined) => points!.split(' ').map((point) => Number(point.split(',')[1]));
    const [mean, one, two] = [strong[0]![1], faint[0], faint[1]].map(heights);
    mean!.forEach((y, position) => {
      assert.ok(Math.abs(y - (one![position]! + two![position]!) / 2) <= 0.11, `${y} at ${position}`);
    });
    assert.match(page, /It &lt;broke&gt; off\./);
    assert.doesNotMatch(page, /<script|https?:|NaN|undefined/);
    assert.match(page, /default-src 'none'/);
  });
});

it('the folder of a comparison contains files that can be read one by one', async () => {
  const dir = path.join(root, 'whole');
  assert.deepEqual((await readdir(path.join(dir, 'rows'))).sort(), [
    'spg-elbo-seed-0.json',
    'spg-positive-seed-0.json',
    'spg-positive-seed-1.json',
    'wd1-seed-0.json',
    'wd1-seed-1.json',
  ]);
  const kept = JSON.parse(await readFile(path.join(dir, 'plan.json'), 'utf8'));
  assert.equal(kept.settings.group_size, 3);
});
