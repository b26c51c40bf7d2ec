import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verdicts } from '../../src/evaluation/verdict.ts';
import type { Interval } from '../../src/protocol/interval.ts';
import type { MetricComparison, ReportHeadline } from '../../src/protocol/report.ts';

const at = (value: number, low = value - 0.02, high = value + 0.02): Interval => ({ value, low, high });

function result(comparison: Partial<MetricComparison>): ReportHeadline {
  const metric = { name: 'cell_accuracy', before: at(0.7), after: at(0.8), control: at(0.75) };
  const first = { ...metric, difference: at(0.1), versusControl: at(0.05), ...comparison };
  return { task: 'sudoku4x4', n: 256, descriptions: { before: '', after: '', control: null }, metrics: [first] };
}

test('a gain is stated with its paired interval', () => {
  assert.equal(
    verdicts(result({}))[0],
    'Cell accuracy rose from 70.0 % to 80.0 % on 256 held-out problems (+10.0 points, 95 % interval +8.0 to +12.0, paired).',
  );
});

test('a loss is stated as a loss', () => {
  const [sentence] = verdicts(result({ after: at(0.6), difference: at(-0.1) }));
  assert.match(
    sentence ?? '',
    /^Cell accuracy fell from 70\.0 % to 60\.0 % .*\(−10\.0 points, 95 % interval −12\.0 to −8\.0/,
  );
});

test('an interval that includes zero allows no claim, for either sign, even if zero is a limit', () => {
  for (const difference of [at(0.01), at(-0.01), at(0.02, 0, 0.04), at(0, 0, 0)]) {
    const [gain, control] = verdicts(result({ difference, versusControl: difference }));
    assert.match(gain ?? '', /^No measurable difference: cell accuracy went from /);
    assert.match(control ?? '', /its difference from tuning is not measurable/);
    assert.doesNotMatch(`${gain} ${control}`, /rose|fell|beats|better/);
  }
});

test('the control is stated whether it wins or loses', () => {
  assert.match(
    verdicts(result({}))[1] ?? '',
    /^The control reached 75\.0 % on the same 256 problems, which tuning beats/,
  );
  assert.match(
    verdicts(result({ control: at(0.9), versusControl: at(-0.1) }))[1] ?? '',
    /^The control reached 90\.0 % .*, which beats tuning \(−10\.0 points/,
  );
});

test('missing measurements are stated', () => {
  const [gain, control] = verdicts(result({ difference: null, control: null, versusControl: null }));
  assert.match(gain ?? '', /no paired comparison is available/);
  assert.match(control ?? '', /No control was run/);
  assert.deepEqual(verdicts({ ...result({}), metrics: [] }), ['No metric was measured.']);
  assert.doesNotMatch(verdicts(result({ difference: at(-0.0001) }))[0] ?? '', /[+−]0\.0 points/);
});
