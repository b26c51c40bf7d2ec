import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Random } from '../../src/platform/random.ts';
import { Curriculum } from '../../src/tuning/problem-source.ts';
import { trialEvaluation, trialVerdict } from '../../src/tuning/trial.ts';

const levels = ['expression', 'line', 'body'].map((name) => ({
  name,
  rows: Array.from({ length: 5 }, (_, index) => ({ name, index })),
}));
type Row = (typeof levels)[number]['rows'][number];

/** Share of 600 draws from each level. */
function drawn(curriculum: Curriculum): number[] {
  const random = new Random(0, 'draws');
  const names = Array.from({ length: 600 }, () => (curriculum.draw(random) as Row).name);
  return levels.map(({ name }) => names.filter((other) => other === name).length / names.length);
}

const attempts = (level: number, passes: number, count = 20) =>
  Array.from({ length: count }, (_, index) => ({ row: levels[level]!.rows[index % 5], passed: index < passes }));

describe('a curriculum', () => {
  it('starts with the easiest level', () => {
    assert.deepEqual(drawn(new Curriculum(levels)), [1, 0, 0]);
  });

  it('opens the next level when enough attempts pass, and no sooner', () => {
    const curriculum = new Curriculum(levels);
    curriculum.observe(attempts(0, 4));
    assert.deepEqual(drawn(curriculum), [1, 0, 0]);
    curriculum.observe(attempts(0, 12));
    const [first, second, third] = drawn(curriculum) as [number, number, number];
    assert.ok(first > 0.2 && second > 0.2, `${first} and ${second}`);
    assert.equal(third, 0);
  });

  it('draws less from a level that it has mastered', () => {
    const curriculum = new Curriculum(levels);
    for (let step = 0; step < 10; step++) curriculum.observe([...attempts(0, 20), ...attempts(1, 10)]);
    const [first, second, third] = drawn(curriculum) as [number, number, number];
    assert.ok(first < 0.2 && second > 0.3 && third > 0.3, `${first}, ${second}, ${third}`);
  });

  it('continues from its state with the same draws', () => {
    const curriculum = new Curriculum(levels);
    curriculum.observe([...attempts(0, 15), ...attempts(1, 3)]);
    const restored = new Curriculum(levels, curriculum.state());
    assert.deepEqual(drawn(restored), drawn(curriculum));
    assert.deepEqual(restored.metrics(), curriculum.metrics());
    assert.deepEqual(curriculum.metrics(), { 'pass_rate/expression': 0.75, 'pass_rate/line': 3 / 20 });
  });

  it('refuses the state of other levels', () => {
    const fewer = new Curriculum(levels.slice(0, 2)).state();
    assert.throws(() => new Curriculum(levels, fewer), /a curriculum of 2 levels, and the problems now have 3/);
  });
});

describe('a trial', () => {
  const group = (level: string, passes: number, differs: boolean) => ({
    level,
    passed: Array.from({ length: 4 }, (_, index) => index < passes),
    differs,
  });
  const trial = (...groups: ReturnType<typeof group>[]) => ({ groups, seconds: 10, secondsPerStep: 130 });

  for (const [what, made, verdict] of [
    [
      'recommends a run whose attempts sometimes pass',
      trial(group('line', 1, true), group('body', 0, false)),
      'Worth it: 1 of 8 attempts passed (line 1 of 4, body 0 of 4), the rewards differ in 1 of 2 groups, and a step takes about 2.2 min.',
    ],
    [
      'advises against a run in which nothing passes and rewards are equal',
      trial(group('body', 0, false)),
      'Not worth it with this model: 0 of 4 attempts passed, the rewards differ in 0 of 1 groups, and a step takes about 2.2 min. There is nothing to learn from; choose a larger model or easier problems.',
    ],
    [
      'says that partial rewards alone teach little',
      trial(group('body', 0, true)),
      /^Probably not worth it with this model: 0 of 4 attempts passed, .* Rewards differ only in small parts/,
    ],
    ['says that a solved task has nothing to teach', trial(group('body', 4, false)), /solves these problems already/],
  ] as const)
    it(what, () => {
      const text = trialVerdict(made);
      if (typeof verdict === 'string') assert.equal(text, verdict);
      else assert.match(text, verdict);
    });

  it('is recorded as an evaluation with an interval', () => {
    const evaluation = trialEvaluation(trial(group('line', 2, true), group('body', 0, false)), 'workspace', 'pass@1');
    assert.equal(evaluation.n, 8);
    assert.equal(evaluation.metrics['pass@1']!.value, 0.25);
    assert.ok(evaluation.metrics['pass@1']!.low > 0.05 && evaluation.metrics['pass@1']!.high < 0.7);
    assert.deepEqual(evaluation.measures, { differing_groups: 0.5, seconds_per_step: 130 });
  });
});
