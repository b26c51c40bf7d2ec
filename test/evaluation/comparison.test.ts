import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { problemNames } from '../../src/evaluation/answer-records.ts';
import { comparableWith, evaluationReport, previousOf } from '../../src/evaluation/comparison.ts';
import { findEvaluation, listEvaluations } from '../../src/evaluation/evaluations.ts';
import { exportAnswers } from '../../src/evaluation/export.ts';
import { pairedDifference } from '../../src/evaluation/statistics.ts';
import { runFile } from '../../src/runs/layout.ts';
import { parseRowFile } from '../../src/tasks/row-file.ts';
import { type Outcomes, writeEvaluation } from './written-evaluation.ts';

let root: string;
before(async () => {
  root = await mkdtemp(path.join(tmpdir(), 'unmask-comparison-'));
});
after(() => rm(root, { recursive: true }));

/** One answer to each of `count` problems, with this number of correct cells. */
const problems = (count: number, right: (index: number) => number, first = 0): Outcomes =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`p${first + index}`, [right(index)]]));

test('differences are paired by problem, have an interval, and are stated in words', async () => {
  const earlier = await writeEvaluation(
    root,
    problems(40, (index) => (index < 10 ? 4 : 1)),
  );
  const later = await writeEvaluation(
    root,
    problems(40, (index) => (index < 2 ? 3 : 4)),
  );
  const report = await evaluationReport(later, earlier, []);
  assert.equal(report.shared, 40);
  const [cells, solved] = report.differences;
  assert.deepEqual([cells?.name, solved?.name], ['cell_accuracy', 'solved']);
  const scores = (right: (index: number) => number) =>
    Array.from({ length: 40 }, (_, index) => ({ value: right(index), weight: 4 }));
  assert.deepEqual(
    cells?.difference,
    pairedDifference(
      scores((index) => (index < 10 ? 4 : 1)),
      scores((index) => (index < 2 ? 3 : 4)),
    ),
  );
  assert.deepEqual([cells?.better, cells?.worse, cells?.equal, cells?.verdict], [30, 2, 8, 'better']);
  assert.deepEqual(
    report.rows.slice(0, 11).map(({ number, change }) => [number, change]),
    Array.from({ length: 11 }, (_, index) => [index + 1, index < 2 ? 'worse' : index < 10 ? 'same' : 'better']),
  );
  assert.match(report.verdicts[1] ?? '', /^Cell accuracy is better, 98\.8 % against 43\.8 % of tiny on the same 40 /);
  const row = report.rows[0];
  assert.match(row?.label ?? '', /^puzzle 0000142323414132 · solution 3214142323414132$/);
  assert.deepEqual(row?.layout?.given?.slice(0, 5), [false, false, false, false, true]);
  assert.deepEqual([row?.shown.correct, row?.shown.score, row?.compared?.score], [0, 0.75, 1]);
});

test('an interval that includes zero shows no difference', async () => {
  const one = await writeEvaluation(
    root,
    problems(20, (index) => (index % 2 ? 4 : 1)),
  );
  const other = await writeEvaluation(
    root,
    problems(20, (index) => (index % 2 ? 1 : 4)),
  );
  const { differences, verdicts } = await evaluationReport(other, one, []);
  for (const { verdict, difference } of differences) {
    assert.equal(verdict, 'not distinguishable');
    assert.ok(difference.low <= 0 && difference.high >= 0);
  }
  assert.match(verdicts[1] ?? '', /^No measurable difference in cell accuracy: /);
  assert.doesNotMatch(verdicts.join(' '), /better|worse/);
});

test('only shared problems are compared, and the report says so', async () => {
  const one = await writeEvaluation(
    root,
    problems(30, () => 1),
  );
  const other = await writeEvaluation(
    root,
    problems(30, () => 4, 20),
    { settings: { temperature: 0.5 } },
  );
  const report = await evaluationReport(other, one, []);
  assert.equal(report.shared, 10);
  assert.equal(report.differences[0]?.before.value, 0.25);
  assert.equal(report.rows.filter(({ compared }) => compared === null).length, 20);
  assert.ok(report.rows.every(({ change, compared }) => (change === null) === (compared === null)));
  assert.match(
    report.verdicts.join('\n'),
    /Only 10 problems are in both evaluations: this one has 30, the other one 30/,
  );
  assert.match(report.verdicts.join('\n'), /different settings: temperature 0\.5 here, default there/);
});

test('several answers per problem have pass@k, up to the smaller number of answers', async () => {
  const one = await writeEvaluation(root, { a: [4, 0, 0], b: [0, 0, 0] });
  const other = await writeEvaluation(root, { a: [4, 0], b: [4, 4] });
  const { differences, rows } = await evaluationReport(other, one, []);
  assert.deepEqual(
    differences.map(({ name }) => name),
    ['cell_accuracy', 'solved', 'pass@1', 'pass@2'],
  );
  assert.equal(differences[3]?.after.value, 1);
  assert.ok(Math.abs((differences[3]?.before.value ?? 0) - 1 / 3) < 1e-12);
  assert.deepEqual([rows[0]?.shown.correct, rows[0]?.shown.samples, rows[0]?.compared?.samples], [1, 2, 3]);
});

test('incomparable evaluations are rejected with the reason', async () => {
  const sudoku = await writeEvaluation(root, { a: [4] });
  const countdown = await writeEvaluation(root, { a: [4] }, { task: 'countdown' });
  await assert.rejects(evaluationReport(sudoku, countdown, []), /is of sudoku4x4 and .* of countdown; compare/);
  const released = await writeEvaluation(root, { a: [4] }, { settings: { as_released: true } });
  await assert.rejects(evaluationReport(sudoku, released, []), /graded as the released evaluator/);
  const stranger = await writeEvaluation(root, { z: [4] });
  await assert.rejects(evaluationReport(sudoku, stranger, []), /have no problem in common/);
  const stopped = await writeEvaluation(root, { a: [4] }, { finish: false });
  await assert.rejects(
    evaluationReport(sudoku, stopped, []),
    /ended after 1 of 1 answers; resume it with `unmask eval --resume /,
  );
  await assert.rejects(evaluationReport(stopped, null, []), /`unmask eval --resume /);
});

test('the previous evaluation is the latest earlier one that is finished and comparable', async () => {
  const folder = path.join(root, 'previous');
  const first = await writeEvaluation(folder, { a: [4] });
  await writeEvaluation(folder, { a: [4] }, { task: 'countdown' });
  await writeEvaluation(folder, { a: [4] }, { settings: { as_released: true } });
  await writeEvaluation(folder, { a: [4] }, { finish: false });
  const last = await writeEvaluation(folder, { a: [4] });
  const later = await writeEvaluation(folder, { a: [4] });
  const all = await listEvaluations(folder);
  assert.equal(all.length, 6);
  assert.equal((await previousOf(last, all))?.dir, first.dir);
  assert.equal(await previousOf(first, all), null);
  assert.deepEqual(
    comparableWith(last, all).map(({ dir }) => dir),
    [later.dir, first.dir],
  );
});

test('the previous evaluation shares a problem, and its answers can be read', async () => {
  const folder = path.join(root, 'sharing');
  const first = await writeEvaluation(folder, { a: [4], b: [4] });
  await writeEvaluation(folder, { x: [4] });
  const spoilt = await writeEvaluation(folder, { b: [4] });
  await writeFile(runFile(spoilt.dir).answers, '{}\n');
  const last = await writeEvaluation(folder, { b: [4], c: [4] });
  const stranger = await writeEvaluation(folder, { z: [4] });
  const all = await listEvaluations(folder);
  assert.equal((await previousOf(last, all))?.dir, first.dir);
  assert.equal(await previousOf(stranger, all), null);
});

test('a broken evaluation does not hide the others from a list', async () => {
  const folder = path.join(root, 'broken');
  const good = await writeEvaluation(folder, { a: [4] });
  const bad = await writeEvaluation(folder, { a: [4] });
  await writeFile(runFile(bad.dir).result, '{"task":');
  const [first, second] = await listEvaluations(folder);
  assert.match(first?.error ?? '', /result\.json is not valid JSON/);
  assert.equal(first?.result, null);
  assert.deepEqual([second?.dir, second?.error], [good.dir, undefined]);
  await assert.rejects(evaluationReport(first!, null, []), /result\.json is not valid JSON/);
  await assert.rejects(
    findEvaluation(folder, 'other'),
    /no evaluation other in .*`unmask evaluations list` lists them/,
  );
});

test('an export contains every answer', async () => {
  const evaluation = await writeEvaluation(root, { a: [4, 1], b: [0, 4] });
  const table = await exportAnswers(evaluation, 'csv');
  assert.equal(table.rows, 4);
  const { rows } = parseRowFile(table.text, 'file.csv', (record) => record as Record<string, string>);
  assert.deepEqual(
    rows.map(({ row }) => [row.problem, row.sample, row.correct, row.cell_accuracy, row.extracted]),
    [
      ['a', '0', 'true', '1', '3214142323414132'],
      ['a', '1', 'false', '0.25', '3321142323414132'],
      ['b', '0', 'false', '0', '4321142323414132'],
      ['b', '1', 'true', '1', '3214142323414132'],
    ],
  );
  const lines = await exportAnswers(evaluation, 'jsonl');
  assert.equal(lines.text.split('\n').length, 5);
});

test('a problem is identified by its content, for any order of its fields, and a duplicate has a count', () => {
  const [one, two, three, other] = problemNames([
    { numbers: [1, 2], target: 3 },
    { target: 3, numbers: [1, 2] },
    { numbers: [1, 2], target: 3 },
    { numbers: [2, 1], target: 3 },
  ]);
  assert.deepEqual([two, three], [`${one}-2`, `${one}-3`]);
  assert.notEqual(one, other);
});
