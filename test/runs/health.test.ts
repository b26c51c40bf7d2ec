import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StepEvent } from '../../src/protocol/events.ts';
import type { RunStatus } from '../../src/protocol/run.ts';
import { runWarnings } from '../../src/runs/health.ts';

const running: RunStatus = { state: 'running', step: 0, steps: null, eta: null, heartbeat: '2026-01-01T00:00:00Z' };

/** Steps from 1 whose metrics are computed by these functions of the step number. */
function steps(count: number, metrics: Readonly<Record<string, (step: number) => number>>): StepEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    step: index + 1,
    time: index,
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, value(index + 1)])),
  }));
}
const kinds = (events: readonly StepEvent[], status = running) => runWarnings(events, status).map(({ kind }) => kind);

describe('runWarnings', () => {
  it('returns nothing before the run starts or while it makes progress', () => {
    assert.deepEqual(kinds([]), []);
    const well = {
      reward: (step: number) => step / 100,
      entropy: (step: number) => 1 / step,
      frac_reward_zero_std: () => 0.2,
    };
    assert.deepEqual(kinds(steps(100, well)), []);
  });

  it('reports a trial in which nothing passed, until a step shows otherwise', () => {
    const evaluation = { task: 'workspace', split: 'trial', n: 32, seconds: 1 };
    const trial = (value: number) => ({
      step: 0,
      time: 0,
      evaluation: { ...evaluation, metrics: { 'pass@1': { value, low: 0, high: 1 } } },
    });
    const [warning] = runWarnings([trial(0)], running);
    assert.match(warning!.text, /^None of the 32 attempts before the first step passed/);
    assert.deepEqual(runWarnings([trial(0.1)], running), []);
    assert.equal(runWarnings([trial(0), ...steps(2, { 'pass_rate/line': () => 0 })], running).length, 1);
    assert.deepEqual(runWarnings([trial(0), ...steps(2, { 'pass_rate/line': () => 0.2 })], running), []);
  });

  it('reports a weight that is far larger than the others of its tensor, as long as the last evaluation has it', () => {
    const evaluation = { task: 'workspace', split: 'validation', n: 1, metrics: {}, seconds: 1 };
    const bad = { step: 4, time: 0, evaluation: { ...evaluation, measures: { weight_outlier: 23_456 } } };
    const [warning] = runWarnings([bad], running);
    assert.deepEqual([warning!.kind, warning!.step], ['outlier', 4]);
    assert.match(warning!.text, /^After step 4, a weight was 2\.3e\+4 times the root mean square/);
    assert.deepEqual(runWarnings([bad, { step: 8, time: 1, evaluation }], running), []);
  });

  it('reports why a run failed', () => {
    const failed = { ...running, state: 'failed', step: 4 } as const;
    assert.deepEqual(runWarnings([], { ...failed, error: 'No space left; free some.' }), [
      { kind: 'failed', step: 5, text: 'No space left; free some.' },
    ]);
    assert.match(runWarnings([], failed)[0]!.text, /log\.txt/);
  });

  for (const value of ['NaN', 'Infinity', '-Infinity'])
    it(`distinguishes a loss of ${value} from other failures`, () => {
      const error = `Step 5 gave loss = ${value}, so the weights are lost; resume from the last checkpoint with a lower learning_rate.`;
      assert.deepEqual(kinds([], { ...running, state: 'failed', error }), ['not-finite']);
    });

  it('reports a collapsed reward and the step where the decline began', () => {
    const events = steps(60, { reward: (step) => (step <= 40 ? 0.8 : 0.1) });
    const [warning, ...others] = runWarnings(events, running);
    assert.deepEqual(others, []);
    assert.equal(warning!.kind, 'collapse');
    // The mean of ten steps is below half of 0.8 once six of them are 0.1.
    assert.equal(warning!.step, 46);
    assert.match(
      warning!.text,
      /^Reward fell from 0\.80 to 0\.10 \(mean of 10 steps\)\. The policy has probably diverged.*learning_rate\.$/,
    );
  });

  it('ignores a single bad batch, and a reward that recovered', () => {
    assert.deepEqual(kinds(steps(60, { reward: (step) => (step === 60 ? 0 : 0.8) })), []);
    assert.deepEqual(kinds(steps(90, { reward: (step) => (step > 30 && step < 50 ? 0.1 : 0.8) })), []);
  });

  it('ignores negative rewards, for which ratios have no meaning', () => {
    assert.deepEqual(kinds(steps(60, { reward: (step) => (step <= 40 ? -0.1 : -2) })), []);
  });

  it('reports a collapsing entropy or length, unless the reward rises at the same time', () => {
    const falling = (step: number) => (step <= 40 ? 2 : 0.01);
    for (const metric of ['entropy', 'completions/mean_length']) {
      assert.deepEqual(kinds(steps(60, { [metric]: falling, reward: (step) => (step <= 40 ? 0.4 : 0.3) })), [
        'collapse',
      ]);
      assert.deepEqual(kinds(steps(60, { [metric]: falling, reward: (step) => step / 60 })), []);
      assert.deepEqual(kinds(steps(60, { [metric]: falling })), ['collapse'], 'also without a reward');
    }
  });

  it('reports completions that consist of one token, as those of a policy that writes "!!!!"', () => {
    const share = (of: (step: number) => number, length = 64) =>
      steps(10, {
        'completions/commonest_token': of,
        'completions/mean_length': () => length,
        entropy: () => 0.021,
      });
    const [warning, ...more] = runWarnings(
      share((step) => (step > 6 ? 0.97 : 0.1)),
      running,
    );
    assert.equal(more.length, 0);
    assert.deepEqual([warning!.kind, warning!.step], ['collapse', 7]);
    assert.match(
      warning!.text,
      /^One token makes up 97 % of all generated tokens \(entropy 0\.021\)\. .*best checkpoint/,
    );
    assert.deepEqual(kinds(share((step) => (step > 8 ? 0.97 : 0.1))), [], 'two steps are not enough');
    assert.deepEqual(kinds(share(() => 0.97, 2)), [], 'short answers may be one token');
    assert.deepEqual(kinds(share((step) => (step > 9 ? 0.2 : 0.97))), [], 'it has recovered');
  });

  it('reports groups without variance only if they persist', () => {
    const flat = (from: number, to = 99) => ({
      reward: () => 0.25,
      frac_reward_zero_std: (step: number) => (step >= from && step <= to ? 1 : 0.5),
    });
    assert.deepEqual(kinds(steps(10, flat(7))), [], 'four steps may be chance');
    const [warning] = runWarnings(steps(10, flat(6)), running);
    assert.deepEqual([warning!.kind, warning!.step], ['no-variance', 6]);
    assert.match(warning!.text, /^For 5 steps, .*\(mean 0\.25\)/);
    assert.deepEqual(kinds(steps(20, flat(6, 15))), [], 'the pattern has ended');
  });

  it('skips steps without the metric', () => {
    const events = steps(60, { reward: (step) => (step <= 40 ? 0.8 : 0.1) });
    const sparse = events.flatMap((event) => [event, { step: event.step, time: event.time }]);
    assert.deepEqual(kinds(sparse), ['collapse']);
  });

  it('tell of a loss that is far larger than its median, until it is long past', () => {
    const losses = (at: number, size: number) =>
      steps(30, { loss: (step) => (step === at ? size : step % 2 ? 0.5 : -0.4) });
    assert.deepEqual(kinds(losses(28, -60)), ['spike']);
    assert.match(
      runWarnings(losses(28, 60), running)[0]!.text,
      /^The size of the loss at step 28 was 60, more than 100 times/,
    );
    assert.deepEqual(kinds(losses(28, 30)), [], 'a large one is no spike');
    assert.deepEqual(kinds(losses(15, 60)), [], 'it has recovered');
    assert.deepEqual(kinds(losses(3, 60)), [], 'too early for a median');
    assert.deepEqual(kinds(steps(30, { loss: (step) => (step === 29 ? 1 : 0) })), [], 'nothing was learnt before');
  });
});
